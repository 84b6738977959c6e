// The cost of operations on the wire: commands, round trips and bytes, for batches of one key and of a hundred; and the
// attempts when a server does not answer.

#include <iterator>

#include "gateway_fixture.h"
#include "memcache/transport/breaker.h"
#include "support/scripted_memcached.h"

namespace ndb::memcache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::ScriptedMemcached;
using testing::Verb;

// What came over a wire, like "100 add quietly", "gets 100": stores one after the other are counted, gets by their
// keys.
std::vector<std::string> summary(const std::vector<testing::MemcachedCommand>& log) {
  static const std::map<Verb, std::string> kNames = {
      {Verb::kGets, "gets"}, {Verb::kAdd, "add"}, {Verb::kCas, "cas"}, {Verb::kSet, "set"}};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < log.size();) {
    const auto is_alike = [&](const auto& next) {
      return next.verb == log[i].verb && next.noreply == log[i].noreply && next.verb != Verb::kGets;
    };
    const auto from = log.begin() + static_cast<std::ptrdiff_t>(i);
    const auto to = std::find_if_not(std::next(from), log.end(), is_alike);
    const auto name = kNames.find(log[i].verb);
    const std::string verb = name == kNames.end() ? "?" : name->second;
    if (log[i].verb == Verb::kGets) {
      lines.push_back(cat(verb, ' ', log[i].keys.size()));
    } else {
      lines.push_back(cat(to - from, ' ', verb, log[i].noreply ? " quietly" : ""));
    }
    i += static_cast<std::size_t>(to - from);
  }
  return lines;
}

class WireTest : public GatewaySteps {
 protected:
  static std::vector<Key> make_keys(std::size_t count) {
    std::vector<Key> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back(make_key(cat("k", i)));
    return keys;
  }
  static std::vector<ReadResult> read_all(Gateway& gateway, const std::vector<Key>& keys, std::uint64_t floor = 0) {
    std::vector<ReadRequest> requests;
    for (const Key& key : keys) requests.push_back({.key = key, .floor = floor});
    return gateway.read(requests);
  }
  static std::vector<Fill> fills_of(const std::vector<ReadResult>& misses, std::string_view payload) {
    std::vector<Fill> fills;
    for (const ReadResult& miss : misses) fills.push_back({.lease = miss.lease, .version = 1, .payload = payload});
    return fills;
  }
  // Releases with version 2 for all keys that were locked.
  static std::vector<Unlock> unlocks_of(const std::vector<absl::StatusOr<LockPtr>>& locks, const std::vector<Key>& keys,
                                        CommitOutcome outcome, std::optional<std::string_view> payload = {}) {
    std::vector<Unlock> unlocks;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!locks[i].ok()) continue;
      unlocks.push_back({.lock = *locks[i], .key = keys[i], .outcome = outcome, .version = 2, .payload = payload});
    }
    return unlocks;
  }
  void cache_all(const std::vector<Key>& keys, std::uint64_t version, const std::string& payload) {
    for (const Key& key : keys) {
      const Encoded encoded =
          encode({.state = State::kValue, .version = version, .payload = payload}, key.bytes(), 1 << 20);
      server_.put(record_name(key.bytes()), encoded.flags, encoded.body);
    }
  }

  // The cost since the last call. Commands without an answer travel with one that has an answer, so each answer is a
  // round trip.
  struct Cost {
    std::vector<std::string> commands;
    std::ptrdiff_t round_trips = 0;
    std::size_t received = 0, sent = 0;
  };
  Cost cost() {
    const auto log = server_.log();
    const auto [received, sent] = server_.traffic();
    server_.clear_log();
    return {summary(log), std::ranges::count(log, false, &testing::MemcachedCommand::noreply), received, sent};
  }
  void expect_cost(std::vector<std::string> commands, std::ptrdiff_t round_trips) {
    const Cost spent = cost();
    EXPECT_EQ(spent.commands, commands);
    EXPECT_EQ(spent.round_trips, round_trips);
  }

  ScriptedMemcached server_{clock_};
};

class WireCountsTest : public WireTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override { server_.clear_log(); }

  const std::unique_ptr<Gateway> gateway_ = make_gateway(config({server_.address("it")}));
  const std::vector<Key> keys_ = make_keys(GetParam());
  // The three commands of a batch.
  const std::string gets_ = cat("gets ", GetParam()), adds_ = cat(GetParam(), " add quietly"),
                    cases_ = cat(GetParam(), " cas quietly");
};

TEST_P(WireCountsTest, HitsTakeOneRoundTrip) {
  cache_all(keys_, 1, "v1");
  for (const ReadResult& hit : read_all(*gateway_, keys_)) EXPECT_EQ(hit.payload, "v1");
  const Cost spent = cost();
  EXPECT_THAT(spent.commands, ElementsAre(gets_));
  EXPECT_EQ(spent.round_trips, 1);
  std::string asked = "gets", got;
  for (const Key& key : keys_) {
    const std::string name = record_name(key.bytes());
    const auto item = server_.item(name);
    asked += " " + name;
    got +=
        cat("VALUE ", name, ' ', item->flags, ' ', item->value.size(), ' ', item->unique, "\r\n", item->value, "\r\n");
  }
  EXPECT_EQ(spent.received, asked.size() + 2);
  EXPECT_EQ(spent.sent, got.size() + std::string_view("END\r\n").size());
}

TEST_P(WireCountsTest, ColdMissesTakeOneMore) {
  const auto misses = read_all(*gateway_, keys_);
  expect_cost({gets_, adds_, gets_}, 2);

  // A fill waits for nothing, not even for the execution of its command.
  const auto held = server_.hold({.verb = Verb::kCas});
  gateway_->fill(fills_of(misses, "v1"));
  held->release();
  server_.await({.verb = Verb::kCas, .nth = static_cast<int>(keys_.size())});
  expect_cost({cases_}, 0);
  settle(*gateway_);
  cost();
  for (const ReadResult& hit : read_all(*gateway_, keys_)) EXPECT_EQ(hit.payload, "v1");
  expect_cost({gets_}, 1);
}

TEST_P(WireCountsTest, LeasedMissesTakeOneRoundTrip) {
  read_all(*gateway_, keys_);
  cost();
  for (const ReadResult& miss : read_all(*gateway_, keys_)) EXPECT_NE(miss.lease, nullptr);
  expect_cost({gets_}, 1);
}

TEST_P(WireCountsTest, StaleRecordsTakeOneMore) {
  cache_all(keys_, 1, "v1");
  for (const ReadResult& miss : read_all(*gateway_, keys_, 2)) EXPECT_NE(miss.lease, nullptr);
  expect_cost({gets_, cases_, gets_}, 2);
}

TEST_P(WireCountsTest, LockedRecordsTakeOneRoundTripAndNoFill) {
  const auto locks = lock(*gateway_, keys_);
  cost();
  const auto bypassed = read_all(*gateway_, keys_);
  gateway_->fill(fills_of(bypassed, "v1"));
  settle(*gateway_);
  expect_cost({gets_, "gets 1"}, 2);  // the second is settle()'s
}

TEST_P(WireCountsTest, APutOfAbsentRecordsTakesTwo) {
  const auto locks = lock(*gateway_, keys_);
  expect_cost({adds_, gets_}, 1);
  gateway_->unlock(unlocks_of(locks, keys_, CommitOutcome::kApplied));
  expect_cost({cases_, gets_}, 1);
}

TEST_P(WireCountsTest, APutOfCachedRecordsTakesThree) {
  cache_all(keys_, 1, "v1");
  const auto locks = lock(*gateway_, keys_);
  expect_cost({adds_, gets_, cases_, gets_}, 2);
  gateway_->unlock(unlocks_of(locks, keys_, CommitOutcome::kApplied, "v2"));
  expect_cost({cases_, gets_}, 1);
  for (const ReadResult& hit : read_all(*gateway_, keys_)) EXPECT_EQ(hit.payload, "v2");
}

// Records that were read are locked without another read, and without transferring their values.
TEST_P(WireCountsTest, APutOfRecordsThatWereReadTakesTwo) {
  cache_all(keys_, 1, "v1");
  std::vector<LockRequest> requests;
  for (const ReadResult& hit : read_all(*gateway_, keys_)) {
    requests.push_back({.key = keys_[requests.size()], .cas_hint = hit.cas_hint});
  }
  cost();
  const auto locks = gateway_->lock(requests, seconds(60));
  expect_cost({cases_, gets_}, 1);
  gateway_->unlock(unlocks_of(locks, keys_, CommitOutcome::kApplied, "v2"));
  expect_cost({cases_, gets_}, 1);
  for (const ReadResult& hit : read_all(*gateway_, keys_)) EXPECT_EQ(hit.payload, "v2");
  cost();

  // A hint is as good as none after the record has changed.
  const auto again = gateway_->lock(requests, seconds(60));
  expect_cost({cases_, gets_, cases_, gets_}, 2);
  for (const auto& held : again) EXPECT_TRUE(held.ok());
  for (const ReadResult& locked : read_all(*gateway_, keys_)) EXPECT_EQ(locked.outcome, ReadOutcome::kBypass);
}

TEST_P(WireCountsTest, EveryOutcomeTakesTheSame) {
  for (const CommitOutcome outcome : {CommitOutcome::kFailed, CommitOutcome::kUnknown}) {
    const auto locks = lock(*gateway_, keys_);
    cost();
    gateway_->unlock(unlocks_of(locks, keys_, outcome));
    expect_cost({cases_, gets_}, 1);
  }
}

TEST_P(WireCountsTest, InvalidationTakesTwo) {
  cache_all(keys_, 1, "v1");
  EXPECT_TRUE(gateway_->invalidate(keys_).ok());
  expect_cost({gets_, cases_, gets_}, 2);
}

// A large value is transferred when it is read or written through, and once, to the client, when it is locked.
TEST_P(WireCountsTest, Bytes) {
  constexpr std::size_t kSize = 10'000;
  const std::size_t all = kSize * keys_.size();
  cache_all(keys_, 1, std::string(kSize, 'x'));
  const auto locks = lock(*gateway_, keys_);
  const Cost locking = cost();
  EXPECT_LT(locking.received, 1000 * keys_.size());
  EXPECT_EQ(locking.sent / all, 1u);
  gateway_->unlock(unlocks_of(locks, keys_, CommitOutcome::kApplied));
  const Cost releasing = cost();
  EXPECT_LT(releasing.received + releasing.sent, 1000 * keys_.size());
}

INSTANTIATE_TEST_SUITE_P(Keys, WireCountsTest, ::testing::Values(1, 100),
                         [](const auto& test) { return cat(test.param); });

TEST_F(WireTest, OnlyMissingKeysAreRequestedAgain) {
  const auto gateway = make_gateway(config({server_.address("it")}));
  std::vector<Key> keys = make_keys(30);
  cache_all(keys, 1, "v1");
  for (int i = 30; i < 40; ++i) keys.push_back(make_key(cat("k", i)));
  cost();
  read_all(*gateway, keys);
  expect_cost({"gets 40", "10 add quietly", "gets 10"}, 2);
  EXPECT_EQ(lock(*gateway, keys, seconds(60)).size(), 40u);
  expect_cost({"40 add quietly", "gets 40", "40 cas quietly", "gets 40"}, 2);
}

// A server that fails.
class FailureCostTest : public WireTest {
 protected:
  FailureCostTest() { server_.clear_log(); }
  void expect_no_locks() {
    for (const auto& held : lock(*gateway_, keys_)) {
      EXPECT_EQ(held.status().code(), absl::StatusCode::kUnavailable);
    }
  }
  void expect_bypassed() {
    const auto results = read_all(*gateway_, keys_);
    for (const ReadResult& result : results) {
      EXPECT_EQ(result.outcome, ReadOutcome::kBypass);
      EXPECT_EQ(result.lease, nullptr);
    }
    gateway_->fill(fills_of(results, "v1"));
  }
  int connections() { return server_.connections("it"); }

  Config impatient() {
    Config impatient = config({server_.address("it")});
    impatient.io_timeout = milliseconds(100);
    return impatient;
  }
  const std::vector<Key> keys_ = make_keys(100);
  std::unique_ptr<Gateway> gateway_ = make_gateway(impatient());
};

// Its address does not answer any more. The counts are of attempts to connect; a batch costs as little as a key.
TEST_F(FailureCostTest, AServerThatIsGone) {
  gateway_ = make_gateway(config({server_.address("it")}));
  cache_all(keys_, 1, "v1");
  for (const ReadResult& hit : read_all(*gateway_, keys_)) ASSERT_EQ(hit.outcome, ReadOutcome::kHit);
  cost();
  const int before = connections();
  server_.cut_off("it");
  for (int i = 0; i < 100; ++i) expect_bypassed();
  EXPECT_EQ(connections() - before, Breaker::kFailures);
  for (int i = 0; i < 100; ++i) expect_no_locks();
  EXPECT_EQ(connections() - before, Breaker::kFailures);

  for (int second = 1; second <= 10; ++second) {
    clock_.advance(Breaker::kInterval);
    for (int i = 0; i < 10; ++i) expect_bypassed();
    EXPECT_EQ(connections() - before, Breaker::kFailures + second);
  }
  EXPECT_THAT(cost().commands, IsEmpty());

  server_.let_in("it");
  expect_bypassed();
  clock_.advance(Breaker::kInterval);
  for (const ReadResult& hit : read_all(*gateway_, keys_)) EXPECT_EQ(hit.outcome, ReadOutcome::kHit);
  expect_cost({"gets 100"}, 1);
}

// A writer is the first to notice: it makes no more attempts than a reader, and gets no lock.
TEST_F(FailureCostTest, AServerThatIsGoneForAWriter) {
  server_.cut_off("it");
  const int before = connections();
  expect_no_locks();
  EXPECT_EQ(connections() - before, Breaker::kFailures);
  expect_no_locks();
  EXPECT_FALSE(gateway_->invalidate(keys_).ok());
  EXPECT_EQ(connections() - before, Breaker::kFailures);
}

// It answers after a second, when the client waits no longer.
TEST_F(FailureCostTest, AServerThatIsSlow) {
  const auto slow = server_.hold({.client = "it", .nth = 0});
  for (int i = 0; i < 100; ++i) expect_bypassed();
  EXPECT_THAT(cost().commands, ElementsAre("gets 100", "gets 100", "gets 100"));
  static_assert(Breaker::kFailures == 3);
  expect_no_locks();
  EXPECT_THAT(cost().commands, IsEmpty());
  for (int second = 0; second < 3; ++second) {
    clock_.advance(Breaker::kInterval);
    for (int i = 0; i < 10; ++i) expect_bypassed();
    EXPECT_THAT(cost().commands, ElementsAre("gets 100"));
  }
  slow->release();
}

// The locks that it stores in the end have no owners: their keys are read from the Datastore until they expire.
TEST_F(FailureCostTest, AServerThatIsSlowForAWriter) {
  const auto slow = server_.hold({.client = "it", .nth = 0});
  expect_no_locks();
  EXPECT_EQ(connections(), 1 + Breaker::kFailures);  // the first was the start-up probe's
  slow->release();
  server_.await({.verb = Verb::kGets, .nth = Breaker::kFailures});
  const auto other = make_gateway(config({server_.address("other")}));
  for (const ReadResult& result : read_all(*other, keys_)) EXPECT_EQ(result.outcome, ReadOutcome::kBypass);
  clock_.advance(seconds(64));
  for (const ReadResult& result : read_all(*other, keys_)) EXPECT_NE(result.lease, nullptr);
}

TEST_F(FailureCostTest, TheOtherServerIsNotHeldUp) {
  ScriptedMemcached other(clock_);
  const auto both = make_gateway(config({server_.address("both"), other.address("both")}));
  const auto alive = [&] {
    const auto results = read_all(*both, keys_);
    return std::ranges::count(results, ReadOutcome::kBypass, &ReadResult::outcome);
  };
  ASSERT_EQ(alive(), 0);
  server_.cut_off("both");
  const int before = server_.connections("both");
  const std::ptrdiff_t lost = alive();
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, 100);
  other.clear_log();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(alive(), lost);
  EXPECT_EQ(server_.connections("both") - before, Breaker::kFailures);
  EXPECT_EQ(summary(other.log()), std::vector<std::string>(50, cat("gets ", 100 - lost)));
}

}  // namespace
}  // namespace ndb::memcache
