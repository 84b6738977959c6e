// Every RPC is forwarded and counted, by method, outcome and time.
#include "datastore/observed_stub.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_clock.h"

namespace {

using ndb::RpcMethod;
using ndb::datastore::CallOptions;
using ndb::datastore::Done;
using ndb::datastore::ObservedStub;
using ndb::datastore::RpcCounters;
using ndb::testing::FakeClock;
namespace wire = ndb::wire;

// Answers each call with `status` after a second.
class SlowStub final : public ndb::datastore::Stub {
 public:
  explicit SlowStub(FakeClock& clock) : clock_(clock) {}
#define NDB_ANSWER(function, Name, idempotent)                                                               \
  void function(wire::Name##Request, const CallOptions& options, Done<wire::Name##Response> done) override { \
    EXPECT_EQ(options.retries, 7);                                                                           \
    clock_.advance(std::chrono::seconds(1));                                                                 \
    if (status.ok()) return done(wire::Name##Response());                                                    \
    done(status);                                                                                            \
  }
  NDB_DATASTORE_RPCS(NDB_ANSWER)
#undef NDB_ANSWER
  absl::Status status;

 private:
  FakeClock& clock_;
};

TEST(ObservedStub, CountsByMethodAndOutcome) {
  FakeClock clock;
  const auto counters = std::make_shared<RpcCounters>();
  auto real = std::make_unique<SlowStub>(clock);
  SlowStub& slow = *real;
  ObservedStub stub(std::move(real), counters, clock);
  int answers = 0;
  const auto call_all = [&] {
#define NDB_CALL(function, Name, idempotent)                                                    \
  stub.function({}, {.retries = 7}, [&](const absl::StatusOr<wire::Name##Response>& response) { \
    EXPECT_EQ(response.status(), slow.status);                                                  \
    ++answers;                                                                                  \
  });
    NDB_DATASTORE_RPCS(NDB_CALL)
#undef NDB_CALL
  };
  call_all();
  call_all();
  slow.status = absl::UnavailableError("down");
  call_all();
  slow.status = absl::Status(static_cast<absl::StatusCode>(99), "what no API defines");
  stub.lookup({}, {.retries = 7}, [&](const auto&) { ++answers; });
  EXPECT_EQ(answers, 3 * static_cast<int>(ndb::kRpcMethods) + 1);

  const ndb::DatastoreStats stats = counters->stats();
  for (std::size_t i = 1; i < ndb::kRpcMethods; ++i) {
    const ndb::RpcStats& rpc = stats[static_cast<RpcMethod>(i)];
    EXPECT_EQ(rpc.calls(), 3u) << to_string(static_cast<RpcMethod>(i));
    EXPECT_EQ(rpc.failed(), 1u);
    EXPECT_EQ(rpc.ended_with(absl::StatusCode::kUnavailable), 1u);
    EXPECT_EQ(rpc.time, std::chrono::seconds(3));
  }
  EXPECT_EQ(stats[RpcMethod::kLookup].failed(), 2u);
  EXPECT_EQ(stats[RpcMethod::kLookup].ended_with(absl::StatusCode::kUnknown), 1u);
  EXPECT_EQ(to_string(RpcMethod::kRunAggregationQuery), "RunAggregationQuery");
  EXPECT_EQ(to_string(RpcMethod::kReserveIds), "ReserveIds");
}

TEST(Stats, TheTableHasEveryNumberByItsName) {
  ndb::MemcacheStats stats{.round_trips = 1, .stale_hits = 17};
  std::vector<std::string> names;
  std::uint64_t sum = 0;
  ndb::for_each_stat(stats, [&](const auto& field, std::uint64_t value) {
    names.emplace_back(field.name);
    sum += value;
    EXPECT_FALSE(field.help.empty());
    EXPECT_EQ(field.kind, field.name == "repairs_waiting" ? ndb::StatKind::kGauge : ndb::StatKind::kCounter);
  });
  EXPECT_EQ(names.size() * sizeof(std::uint64_t), sizeof stats);
  EXPECT_EQ(names.front(), "round_trips");
  EXPECT_EQ(names.back(), "stale_hits");
  EXPECT_EQ(sum, 18u);
  EXPECT_EQ(ndb::TierCounts::fields().size() * sizeof(std::uint64_t), sizeof(ndb::TierCounts));
  EXPECT_EQ(ndb::SharedCacheStats::fields().size() * sizeof(std::uint64_t), sizeof(ndb::SharedCacheStats));
}

}  // namespace
