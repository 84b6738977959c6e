// Servers that are dead, restarted, stopped, misconfigured, or send invalid answers; and records that are invalid.

#include "base/log.h"
#include "base/mutex.h"
#include "gateway_fixture.h"
#include "memcache/protocol/transitions.h"
#include "memcache/time_limit.h"
#include "memcache/transport/breaker.h"
#include "support/scripted_memcached.h"

namespace ndb::memcache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FaultTest : public GatewayTest {
 protected:
  FaultTest() {
    set_log_sink([this](Severity, std::string_view message) {
      MutexLock hold(mutex_);
      logged_.emplace_back(message);
    });
  }
  ~FaultTest() override { set_log_sink({}); }
  std::vector<std::string> logged() {
    MutexLock hold(mutex_);
    return logged_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> logged_;
};

TEST_F(FaultTest, AStoppedServerIsBypassedEvenIfAllCallersHaveLittleTime) {
  Config impatient = config({server_.address()});
  impatient.io_timeout = impatient.connect_timeout = milliseconds(50);
  const auto gateway = make_gateway(impatient);
  const Key key = make_key("ada");
  server_.pause();
  const auto errors = [&] { return gateway->stats().errors; };
  std::uint64_t cut = 0;
  for (int i = 0; i < 500; ++i) {
    const TimeLimit limit(milliseconds(10));
    EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
    cut = errors();
  }
  EXPECT_GT(cut, static_cast<std::uint64_t>(Breaker::kFailures));
  EXPECT_LT(cut, 500u);  // then nobody waits
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
  EXPECT_EQ(errors(), cut);
  server_.resume();
}

TEST_F(FaultTest, ADeadServerIsBypassedAndKeepsWritersOut) {
  server_.kill();
  const auto gateway = make_gateway();
  EXPECT_THAT(logged(), ElementsAre(HasSubstr("does not answer")));
  const Key key = make_key("ada");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
  EXPECT_EQ(gateway->stats().errors, static_cast<std::uint64_t>(Breaker::kFailures));  // then nobody tried
  const absl::Status status = lock(*gateway, key).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(key.to_string()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("not written"));
  EXPECT_EQ(gateway->invalidate({&key, 1}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gateway->put_cached(key, "x", seconds(0)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gateway->delete_cached(key).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(gateway->raw_store(Gateway::RawStore::kSet, "k", "v", seconds(0)));
  EXPECT_FALSE(raw_get(*gateway, {"k"})[0]);
  EXPECT_EQ(gateway->stats().errors, static_cast<std::uint64_t>(Breaker::kFailures));

  server_.restart();
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
  clock_.advance(Breaker::kInterval);
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kMiss);
  EXPECT_TRUE(lock(*gateway, key).ok());
}

TEST_F(FaultTest, ARestartCostsOneReadAndNoWrite) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  cache(*gateway, key, 1, "v1");
  ASSERT_EQ(read(*gateway, key).outcome, ReadOutcome::kHit);
  server_.restart();
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kMiss);
  server_.restart();
  EXPECT_TRUE(lock(*gateway, key).ok());
  EXPECT_EQ(record(key), "LOCK 0 held by 1");
}

TEST_F(FaultTest, AStoppedServerCostsAFewTimeouts) {
  Config impatient = config({server_.address()});
  impatient.io_timeout = impatient.connect_timeout = milliseconds(20);
  const auto gateway = make_gateway(impatient);
  const Key key = make_key("ada");
  server_.pause();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
  EXPECT_EQ(gateway->stats().errors, static_cast<std::uint64_t>(Breaker::kFailures));
  EXPECT_EQ(lock(*gateway, key).status().code(), absl::StatusCode::kUnavailable);
  server_.resume();
}

TEST_F(FaultTest, ARepairThatCanMakeNoDifferenceAnyMoreIsGivenUp) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  const LockPtr held = *lock(*gateway, key);
  server_.kill();
  unlock(*gateway, key, held, CommitOutcome::kApplied, 7);
  EXPECT_EQ(gateway->stats().repairs_given_up, 0u);
  while (gateway->stats().repairs_given_up == 0) clock_.advance(kUnknownHold);
  EXPECT_EQ(gateway->stats().repairs_waiting, 0u);
  EXPECT_THAT(logged().back(), HasSubstr("given up"));
}

TEST_F(FaultTest, ProgramsThatNameOtherServersAreFoundOut) {
  testing::MemcachedServer second;
  Config both = config({server_.address(), second.address()});
  Config reversed = config({second.address(), server_.address()});
  Config one = config({server_.address()});
  both.ring_check = reversed.ring_check = one.ring_check = RingCheck::kWarn;
  const auto first = make_gateway(both);
  EXPECT_EQ(make_gateway(reversed)->stats().ring_mismatches, 0u);  // the order is no difference

  const auto warned = make_gateway(one);
  EXPECT_EQ(warned->stats().ring_mismatches, 1u);
  EXPECT_THAT(logged().back(), AllOf(HasSubstr(second.address()), HasSubstr("another list of servers")));
  const Key key = make_key("ada");
  EXPECT_EQ(read(*warned, key).outcome, ReadOutcome::kMiss);

  one.ring_check = RingCheck::kEnforce;
  const auto fenced = make_gateway(one);
  EXPECT_EQ(read(*fenced, key).outcome, ReadOutcome::kBypass);
  EXPECT_EQ(lock(*fenced, key).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fenced->invalidate({&key, 1}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fenced->put_cached(key, "x", seconds(0)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fenced->delete_cached(key).code(), absl::StatusCode::kFailedPrecondition);

  // Once the others' list has expired, this client's list takes its place.
  EXPECT_EQ(server_.command("delete ndbr:ring"), "DELETED\r\n");
  EXPECT_EQ(read(*fenced, key).outcome, ReadOutcome::kBypass);
  clock_.advance(seconds(1));
  EXPECT_EQ(read(*fenced, key).outcome, ReadOutcome::kMiss);
  EXPECT_EQ(first->stats().ring_mismatches, 0u);
  clock_.advance(std::chrono::minutes(5));
  read(*first, key);
  EXPECT_EQ(first->stats().ring_mismatches, 1u);

  EXPECT_EQ(make_gateway(both)->stats().ring_mismatches, 1u);
  both.ring_check = RingCheck::kOff;
  EXPECT_EQ(make_gateway(both)->stats().ring_mismatches, 0u);
}

TEST_F(FaultTest, OneDeadServerOfTwoConcernsItsKeysOnly) {
  testing::MemcachedServer second;
  const auto gateway = make_gateway(config({server_.address(), second.address()}));
  std::vector<ReadRequest> requests;
  std::vector<Key> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(make_key(cat("k", i)));
  for (const Key& key : keys) requests.push_back({.key = key});
  std::vector<Fill> fills;
  for (const ReadResult& miss : gateway->read(requests))
    fills.push_back({.lease = miss.lease, .version = 1, .payload = "v1"});
  second.kill();
  gateway->fill(fills);
  gateway->read(requests);
  const auto homes = [&] {
    std::vector<bool> alive;
    for (const Key& key : keys) alive.push_back(record(key) != "absent");
    return alive;
  }();
  for (int round = 0; round < 5; ++round) {
    const auto results = gateway->read(requests);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(results[i].outcome, homes[i] ? ReadOutcome::kHit : ReadOutcome::kBypass) << i;
    }
  }
  const auto locks = lock(*gateway, keys, seconds(60));
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(locks[i].ok(), homes[i]) << i;
}

TEST_F(FaultTest, InvalidRecordsAreNeitherServedNorFilled) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada"), other = make_key("bob");
  const Encoded valid = encode({.state = State::kValue, .version = 5, .payload = "v5"}, key.bytes(), 4096);
  const Encoded foreign = encode({.state = State::kValue, .version = 5, .payload = "v5"}, other.bytes(), 4096);
  struct Case {
    std::uint32_t flags;
    std::string body;
    std::uint64_t corrupt;
  };
  const std::vector<Case> cases = {
      {0, "text", 0},       {valid.flags + 0x100, valid.body, 0}, {valid.flags, valid.body.substr(1), 1},
      {valid.flags, "", 1}, {foreign.flags, foreign.body, 1},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    plant(key, cases[i].flags, cases[i].body);
    const std::uint64_t corrupt = gateway->stats().corrupt;
    const ReadResult result = read(*gateway, key);
    EXPECT_EQ(result.outcome, ReadOutcome::kBypass);
    EXPECT_EQ(result.lease, nullptr);
    EXPECT_EQ(gateway->stats().corrupt - corrupt, cases[i].corrupt);
    EXPECT_EQ(gateway->put_cached(key, "x", seconds(0)).code(), absl::StatusCode::kUnavailable);
    // It may be somebody's lock, so a writer adds a contended lock of its own.
    const auto held = lock(*gateway, key);
    ASSERT_TRUE(held.ok());
    EXPECT_EQ(record(key), "LOCK 0 held by 1 contended");
    unlock(*gateway, key, *held, CommitOutcome::kApplied, 7, "v7");
    EXPECT_EQ(record(key), "LOCK 7 held by 0 contended");
  }
}

TEST_F(FaultTest, WarnsOfSettingsThatWeakenTheProtocol) {
  make_gateway();
  EXPECT_TRUE(logged().empty());
  testing::MemcachedServer server({"-I", "2m", "-C", "-o", "temporary_ttl=30"});
  make_gateway(config({server.address()}));
  EXPECT_THAT(logged(), ElementsAre(HasSubstr("CAS is off"), HasSubstr("temporary_ttl is 30"),
                                    HasSubstr("items of 2097152 bytes")));
  EXPECT_THAT(logged(), Each(HasSubstr(server.address())));
}

TEST_F(FaultTest, AServerWithoutCasNeverFills) {
  testing::MemcachedServer server({"-C"});
  const auto gateway = make_gateway(config({server.address()}));
  const Key key = make_key("ada");
  const ReadResult miss = read(*gateway, key);
  EXPECT_EQ(miss.outcome, ReadOutcome::kMiss);
  EXPECT_EQ(miss.lease, nullptr);
  EXPECT_EQ(record(server, key), "EMPTY 0");
}

// An error line in answer to a store that wanted none, a late answer, an item that was not requested: none may count as
// "no such record", which would end a release early.
TEST_F(FaultTest, UnexpectedAnswersAreFailuresNotAbsences) {
  for (const std::string answer :
       {"SERVER_ERROR out of memory storing object\r\nEND\r\n", "SERVER_ERROR x\r\nEND\r\n",
        "CLIENT_ERROR bad\r\nEND\r\n", "ERROR\r\nEND\r\n", "NOT_STORED\r\nEND\r\n", "EXISTS\r\nEND\r\n",
        "STORED\r\nEND\r\n", "7\r\nEND\r\n", "VALUE other 0 1 7\r\nx\r\nEND\r\n", "VALUE ", "garbage\r\nEND\r\n",
        "\r\nEND\r\n"}) {
    SCOPED_TRACE(answer);
    testing::ScriptedMemcached server(clock_);
    server.refuse({.verb = testing::Verb::kGets, .nth = 0}, answer);
    Config impatient = config({server.address("it")});
    impatient.io_timeout = milliseconds(50);
    const auto gateway = make_gateway(impatient);
    const Key key = make_key("ada");
    EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
    EXPECT_EQ(lock(*gateway, key).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(gateway->invalidate({&key, 1}).code(), absl::StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace ndb::memcache
