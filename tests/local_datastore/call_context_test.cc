// Calls that nobody waits for any more end, wherever they are, and leave nothing half done.
#include "local_datastore/call_context.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "local_datastore/engine_client.h"
#include "support/fake_clock.h"

namespace ndb::testing {
namespace {

using local::CallContext;
using ::testing::HasSubstr;

// A clock that advances by a millisecond each time it is read.
class TickingClock final : public Clock {
 public:
  WallTime now() const override { return Clock::system().now(); }
  Monotonic monotonic() const override { return Monotonic(std::chrono::milliseconds(++looks_)); }

 private:
  mutable std::atomic<std::int64_t> looks_ = 0;
};

TEST(CallContextTest, TheFirstReasonCounts) {
  CallContext call;
  EXPECT_TRUE(call.check().ok());
  call.cancel(absl::CancelledError("the client has gone"));
  call.cancel(absl::UnavailableError("the server stops"));
  EXPECT_EQ(call.check(), absl::CancelledError("the client has gone"));
}

TEST(CallContextTest, TheDeadlineIsOneOfTheClock) {
  FakeClock clock;
  CallContext call(clock, clock.monotonic() + std::chrono::seconds(1));
  EXPECT_TRUE(call.check().ok());
  clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(call.check()));
}

TEST(CallContextTest, AWaitEndsWithTheCall) {
  for (const bool cancelled : {true, false}) {
    FakeClock clock;
    CallContext call(clock, cancelled ? std::nullopt : std::optional(clock.monotonic() + std::chrono::milliseconds(2)));
    Mutex mutex;
    Condition condition;
    std::thread canceller([&] {
      if (cancelled) call.cancel(absl::CancelledError("gone"));
    });
    {
      const MutexLock lock(mutex);
      EXPECT_FALSE(call.wait(condition, mutex, std::nullopt, [] { return false; }));
    }
    canceller.join();
  }
}

TEST(EngineCallTest, ACallThatHasEndedDoesNothing) {
  FakeClock clock;
  auto engine = *local::Engine::open({}, clock);
  CallContext call;
  call.cancel(absl::CancelledError("gone"));
  const auto ends = [&](auto method, auto request, auto response) {
    request.set_project_id(kProject);
    EXPECT_TRUE(absl::IsCancelled((*engine.*method)(call, request, response))) << request.GetTypeName();
  };
  using local::Engine;
  ends(&Engine::lookup, v1::LookupRequest(), v1::LookupResponse());
  ends(&Engine::run_query, v1::RunQueryRequest(), v1::RunQueryResponse());
  ends(&Engine::run_aggregation_query, v1::RunAggregationQueryRequest(), v1::RunAggregationQueryResponse());
  ends(&Engine::begin_transaction, v1::BeginTransactionRequest(), v1::BeginTransactionResponse());
  ends(&Engine::commit, v1::CommitRequest(), v1::CommitResponse());
  ends(&Engine::rollback, v1::RollbackRequest(), v1::RollbackResponse());
  ends(&Engine::allocate_ids, v1::AllocateIdsRequest(), v1::AllocateIdsResponse());
  ends(&Engine::reserve_ids, v1::ReserveIdsRequest(), v1::ReserveIdsResponse());
}

TEST(EngineCallTest, ScansEndInTheirMiddle) {
  const TickingClock clock;
  auto engine = *local::Engine::open({}, clock);
  v1::CommitRequest commit;
  commit.set_project_id(kProject);
  commit.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  for (int i = 1; i <= 400; ++i) {
    *commit.add_mutations() = upsert(entity(key("K", i), {{"a", integer(i % 2)}, {"b", integer(i % 3)}}));
  }
  v1::CommitResponse committed;
  ASSERT_TRUE(engine->commit(CallContext(), commit, committed).ok());

  const auto count_with_deadline = [&](const std::string& query, std::chrono::milliseconds deadline) {
    v1::RunAggregationQueryRequest request;
    request.set_project_id(kProject);
    request.mutable_gql_query()->set_query_string("SELECT COUNT(*) FROM " + query);
    request.mutable_gql_query()->set_allow_literals(true);
    v1::RunAggregationQueryResponse response;
    return engine->run_aggregation_query(CallContext(clock, clock.monotonic() + deadline), request, response);
  };
  for (const char* query : {"K", "K WHERE a = 1", "K WHERE a = 1 AND b = 2", "K WHERE a IN ARRAY(0, 1)",
                            "K WHERE a >= 0", "__property__", "__Stat_Kind__"}) {
    SCOPED_TRACE(query);
    EXPECT_TRUE(count_with_deadline(query, std::chrono::hours(1)).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(count_with_deadline(query, std::chrono::milliseconds(4))));
  }
}

TEST(EngineCallTest, ACommitThatWaitsForALockWritesNothing) {
  FakeClock clock;
  local::Engine::Options options;
  options.lock_timeout = std::chrono::hours(1);
  auto engine = *local::Engine::open(options, clock);
  v1::LookupResponse read;
  ASSERT_TRUE(engine_get(*engine, key("K", 1), CallContext(), new_transaction(), read).ok());
  CallContext call;
  absl::Status outcome;
  std::thread writer([&] { outcome = engine_put(*engine, entity(key("K", 1)), call); });
  while (engine->locks().waiting() == 0) std::this_thread::yield();
  call.cancel(absl::UnavailableError("the server stops"));
  writer.join();
  EXPECT_EQ(outcome, absl::UnavailableError("the server stops"));
  ASSERT_TRUE(engine_get(*engine, key("K", 1), CallContext(), in_transaction(read.transaction()), read).ok());
  EXPECT_THAT(read.found(), ::testing::IsEmpty()) << "and the transaction that it waited for goes on";
}

// At whatever point of the call its deadline passes.
TEST(EngineCallTest, ATransactionThatNobodyLearnsOfHoldsNoLocks) {
  const TickingClock clock;
  local::Engine::Options options;
  options.lock_timeout = std::chrono::nanoseconds(0);
  auto engine = *local::Engine::open(options, clock);
  for (int ticks = 0;; ++ticks) {
    ASSERT_LT(ticks, 1000);
    v1::LookupResponse read;
    const CallContext call(clock, clock.monotonic() + std::chrono::milliseconds(ticks));
    if (engine_get(*engine, key("K", 1), call, new_transaction(), read).ok()) break;
    EXPECT_TRUE(engine_put(*engine, entity(key("K", 1)), CallContext()).ok()) << "after " << ticks;
  }
}

// --- transactions whose clients are gone
// -------------------------------------------------------------------------------

class DisconnectedTest : public ::testing::Test {
 protected:
  DisconnectedTest() {
    local::Engine::Options options;
    options.lock_timeout = std::chrono::nanoseconds(0);
    engine_ = *local::Engine::open(options, clock_);
  }

  CallContext over(const std::string& connection) const { return {clock_, std::nullopt, connection}; }

  // Begins a transaction that has locked the key.
  std::string begin(const std::string& connection) {
    v1::LookupResponse read;
    EXPECT_TRUE(engine_get(*engine_, key("K", 1), over(connection), new_transaction(), read).ok());
    return read.transaction();
  }
  absl::Status use(const std::string& transaction, const std::string& connection) {
    v1::LookupResponse read;
    return engine_get(*engine_, key("K", 1), over(connection), in_transaction(transaction), read);
  }
  absl::Status write() { return engine_put(*engine_, entity(key("K", 1)), CallContext()); }

  FakeClock clock_;
  std::unique_ptr<local::Engine> engine_;
};

TEST_F(DisconnectedTest, OneWithoutAConnectionEndsSoon) {
  const std::string transaction = begin("ipv4:127.0.0.1:1");
  engine_->disconnected("ipv4:127.0.0.1:2");
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(absl::IsAborted(write())) << "another's connection";
  engine_->disconnected("ipv4:127.0.0.1:1");
  EXPECT_TRUE(absl::IsAborted(write())) << "the client may come back";
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(write().ok());
  EXPECT_TRUE(absl::IsAborted(use(transaction, "ipv4:127.0.0.1:3")));
}

TEST_F(DisconnectedTest, OneThatIsUsedAgainStays) {
  const std::string transaction = begin("ipv4:127.0.0.1:1");
  engine_->disconnected("ipv4:127.0.0.1:1");
  EXPECT_TRUE(use(transaction, "ipv4:127.0.0.1:2").ok());
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(absl::IsAborted(write()));
  EXPECT_TRUE(use(transaction, "ipv4:127.0.0.1:2").ok());
}

TEST_F(DisconnectedTest, OneOfSeveralConnectionsStaysUntilTheLastIsGone) {
  const std::string transaction = begin("ipv4:127.0.0.1:1");
  EXPECT_TRUE(use(transaction, "ipv4:127.0.0.1:2").ok());
  engine_->disconnected("ipv4:127.0.0.1:1");
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(absl::IsAborted(write()));
  engine_->disconnected("ipv4:127.0.0.1:2");
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(write().ok());
}

TEST_F(DisconnectedTest, ATransactionWithoutAKnownConnectionStays) {
  const std::string transaction = begin("");
  EXPECT_TRUE(use(transaction, "ipv4:127.0.0.1:1").ok());
  engine_->disconnected("ipv4:127.0.0.1:1");
  engine_->disconnected("");
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(absl::IsAborted(write())) << "over HTTP each call may have a connection of its own";
  EXPECT_TRUE(use(transaction, "").ok());
}

// --- what the errors say
// -----------------------------------------------------------------------------------------------

TEST_F(DisconnectedTest, ALockTimeoutNamesTheKey) {
  begin("");
  const absl::Status status = write();
  EXPECT_THAT(std::string(status.message()), HasSubstr("cross-transaction contention"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(" waited 0 ms for the exclusive lock of entity [K: 1], which transaction "));
}

}  // namespace
}  // namespace ndb::testing
