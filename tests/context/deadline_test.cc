// What bounds a call: each step of each call, with each fault of the Datastore, under each kind of deadline and when it
// is cancelled. By a clock that jumps, so the times are exact.
#include <gmock/gmock.h>

#include <string>
#include <tuple>

#include "context/deadline_fixture.h"

namespace {

using ndb::RpcMethod;
using ndb::testing::DeadlineTest;
using ndb::testing::Fault;
using ndb::testing::kSlowness;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ms = std::chrono::milliseconds;
using absl::StatusCode;
using namespace std::chrono_literals;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

constexpr ndb::Options kFresh{.use_cache = false};

ndb::Options with(std::optional<ms> deadline) { return {.use_cache = false, .deadline = deadline}; }

// A step of a call: what to call, and which RPC of it has the fault.
struct Step {
  const char* name;
  RpcMethod rpc;
  std::function<void(std::optional<ms> of_call)> call;
  bool writes = false;  // item 2
};

void in_transaction(std::optional<ms> deadline, const std::function<void()>& body) {
  ndb::transaction(body, {.retries = 1, .deadline = deadline});
}

const std::vector<Step>& steps() {
  static const std::vector<Step> all = {
      {"get", RpcMethod::kLookup, [](auto d) { Item::get_by_id(1, with(d)); }},
      {"get in a tasklet", RpcMethod::kLookup,
       [](auto d) { ndb::tasklet([d] { Item::get_by_id(1, with(d)); }).get(); }},
      {"put", RpcMethod::kCommit, [](auto d) { Item::make({.n = 2}, ndb::id(2)).put(with(d)); }, true},
      {"put, resent", RpcMethod::kCommit,
       [](auto d) {
         ndb::Options o = with(d);
         o.retries = 20;
         Item::make({.n = 2}, ndb::id(2)).put(o);
       },
       true},
      {"put without an id", RpcMethod::kAllocateIds,
       [](auto d) {
         ndb::Options o = with(d);
         o.allocate_first = true;
         Item::make({.n = 2}).put(o);
       }},
      {"delete", RpcMethod::kCommit, [](auto d) { ndb::key<Item>(1).delete_(with(d)); }},
      {"query", RpcMethod::kRunQuery, [](auto d) { Item::query().fetch(10, with(d)); }},
      {"count", RpcMethod::kRunAggregationQuery, [](auto d) { Item::query().count(ndb::kNoLimit, with(d)); }},
      {"begin", RpcMethod::kBeginTransaction, [](auto d) { in_transaction(d, [] { Item::get_by_id(1, kFresh); }); }},
      {"get in a transaction", RpcMethod::kLookup,
       [](auto d) { in_transaction(d, [] { Item::get_by_id(1, kFresh); }); }},
      {"commit", RpcMethod::kCommit, [](auto d) { in_transaction(d, [] { Item::make({.n = 2}, ndb::id(2)).put(); }); },
       true},
  };
  return all;
}

enum class Bound { kContext, kCall, kCancel, kStopToken };

class Bounded : public DeadlineTest, public ::testing::WithParamInterface<std::tuple<std::size_t, Fault, Bound>> {};

TEST_P(Bounded, EndsInTime) {
  const auto& [index, what, bound] = GetParam();
  const Step& step = steps()[index];
  SCOPED_TRACE(step.name);
  {
    const auto scope = client_->context();
    Item::make({.n = 1}, ndb::id(1)).put();
  }
  fault(step.rpc, what);
  std::stop_source source;
  ndb::ContextOptions options;
  if (bound == Bound::kContext) options.deadline = kDeadline;
  if (bound == Bound::kStopToken) options.stop = source.get_token();
  {
    const auto scope = client_->context(options);
    const auto open = std::make_shared<bool>(true);  // the timer may outlive the scope
    if (bound == Bound::kCancel) {
      at(kDeadline, [&scope, weak = std::weak_ptr(open)] {
        if (!weak.expired()) scope->cancel();
      });
    }
    if (bound == Bound::kStopToken) at(kDeadline, [source]() mutable { source.request_stop(); });
    const auto [took, status] =
        outcome([&] { step.call(bound == Bound::kCall ? std::optional(kDeadline) : std::nullopt); });
    EXPECT_LE(took, kDeadline + kSlack) << status;
    EXPECT_FALSE(status.ok());
    if (what == Fault::kVanish) return;  // may be given up at once: no time is left for another attempt
    const bool stopped = bound == Bound::kCancel || bound == Bound::kStopToken;
    EXPECT_EQ(status.code(), stopped ? StatusCode::kCancelled : StatusCode::kDeadlineExceeded) << status;
    if (bound == Bound::kContext) {
      EXPECT_THAT(status.message(), HasSubstr("the deadline of the context, 200 ms"));
    }
    if (stopped) {
      EXPECT_THAT(status.message(), HasSubstr("the context was cancelled"));
      EXPECT_GE(store_->cancelled, 1);
      EXPECT_THROW(Item::get_by_id(1), ndb::Cancelled);
    }
  }
  // The truth is what the Datastore has; nobody is told anything else afterwards.
  store_->fault = Fault::kNone;
  const auto later = client_->context();
  const auto found = Item::get_by_id(2);
  if (step.writes) {
    EXPECT_EQ(static_cast<bool>(found), what == Fault::kHangExecuted);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Steps, Bounded,
    ::testing::Combine(::testing::Range<std::size_t>(0, 11),
                       ::testing::Values(Fault::kHang, Fault::kHangExecuted, Fault::kSlow, Fault::kVanish),
                       ::testing::Values(Bound::kContext, Bound::kCall, Bound::kCancel, Bound::kStopToken)));

TEST_F(DeadlineTest, ASlowDatastoreIsWaitedForWithinTheDeadline) {
  const auto scope = client_->context({.deadline = 1s});
  fault(RpcMethod::kLookup, Fault::kSlow);
  const auto [took, status] = outcome([] { EXPECT_FALSE(Item::get_by_id(1)); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(took, kSlowness);
}

TEST_F(DeadlineTest, BoundsTheSumOfTheCalls) {
  const auto scope = client_->context({.deadline = 1s});
  fault(RpcMethod::kLookup, Fault::kSlow);
  const auto [took, status] = outcome([] {
    for (int i = 1; i <= 10; ++i) Item::get_by_id(i);
  });
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_LE(took, 1s + kSlack);
  EXPECT_EQ(store_->calls[RpcMethod::kLookup], 3);
  EXPECT_THAT(status.message(), HasSubstr("get of Key('Item', 3"));
  // What comes afterwards fails at once, and asks nobody.
  const auto [later, again] = outcome([] { Item::get_by_id(50); });
  EXPECT_EQ(later, 0ms);
  EXPECT_EQ(again.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store_->calls[RpcMethod::kLookup], 3);
}

TEST_F(DeadlineTest, BoundsIterations) {
  {
    const auto scope = client_->context();
    Item::make({.n = 1}, ndb::id(1)).put();
  }
  const auto scope = client_->context({.deadline = 1s});
  fault(RpcMethod::kRunQuery, Fault::kSlow);
  int results = 0;
  const auto [took, status] = outcome([&] {
    for (const auto& item : Item::query()) results += item->n == 1;
  });
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_LE(took, 1s + kSlack);
  EXPECT_EQ(results, 2);
}

TEST_F(DeadlineTest, ALaterBatchOfAnIterationEndsInTime) {
  {
    const auto scope = client_->context();
    Item::make({.n = 1}, ndb::id(1)).put();
  }
  for (const bool cancels : {false, true}) {
    fault(RpcMethod::kRunQuery, Fault::kNone);
    const int before = store_->calls[RpcMethod::kRunQuery];
    const auto scope = client_->context();
    int results = 0;
    ndb::Monotonic hangs_since{};
    const auto [took, status] = outcome([&] {
      for (const auto& item : Item::query().iterate(ndb::kNoLimit, {.deadline = kDeadline})) {
        results += item->n == 1;
        if (results != 3) continue;
        fault(RpcMethod::kRunQuery, Fault::kHang);
        hangs_since = clock_.monotonic();
        if (cancels) at(kDeadline / 2, [&scope] { scope->cancel(); });
      }
    });
    EXPECT_EQ(status.code(), cancels ? StatusCode::kCancelled : StatusCode::kDeadlineExceeded) << status;
    EXPECT_GE(results, 3);
    EXPECT_LE(clock_.monotonic() - hangs_since, (cancels ? kDeadline / 2 : kDeadline) + kSlack);
    EXPECT_GE(store_->calls[RpcMethod::kRunQuery] - before, results);
  }
}

TEST_F(DeadlineTest, BoundsSleepsAndWaitsOfTasklets) {
  const auto scope = client_->context({.deadline = kDeadline});
  bool unwound = false;
  const auto [took, status] = outcome([&] {
    const auto sleeper = ndb::tasklet([&] {
      struct Guard {
        bool& unwound;
        ~Guard() { unwound = true; }
      } const guard{unwound};
      ndb::sleep(1h);
    });
    sleeper.get();
  });
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_TRUE(unwound);
}

TEST_F(DeadlineTest, BoundsWaitsForWhatAnotherRequestDoes) {
  const ndb::Client other = *client_;
  const auto scope = client_->context({.deadline = kDeadline});
  auto never = std::make_shared<ndb::detail::FutureState<void>>();
  at(1h, [never] { never->set(ndb::detail::Unit()); });
  const ndb::Future<void> future(never);
  for (const bool in_tasklet : {false, true}) {
    const auto [took, status] = outcome([&] {
      if (in_tasklet) {
        ndb::tasklet([&] { future.get(); }).get();
      } else {
        future.get();
      }
    });
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
    EXPECT_LE(took, kDeadline + kSlack);
    EXPECT_THAT(status.message(), HasSubstr("a future of another one"));
  }
}

TEST_F(DeadlineTest, ATransactionHasOneDeadlineForAllItsAttempts) {
  const auto scope = client_->context();
  fault(RpcMethod::kLookup, Fault::kSlow);
  int attempts = 0;
  const auto [took, status] = outcome([&] {
    ndb::transaction(
        [&] {
          ++attempts;
          Item::get_by_id(1);
          throw ndb::Error(absl::AbortedError("contention"));
        },
        {.retries = 1000, .deadline = 2s});
  });
  EXPECT_LE(took, 2s + kSlack);
  EXPECT_GE(attempts, 2);
  EXPECT_THAT(status.message(), AnyOf(HasSubstr("the deadline of the transaction"), HasSubstr("not enough")));
  // The deadline was the transaction's: the context goes on.
  EXPECT_FALSE(Item::get_by_id(7));
}

TEST_F(DeadlineTest, ATransactionWhoseFunctionIgnoresTheErrorIsNotCommitted) {
  const auto scope = client_->context();
  fault(RpcMethod::kLookup, Fault::kHang);
  const auto [took, status] = outcome([&] {
    ndb::transaction(
        [&] {
          try {
            Item::get_by_id(1);
          } catch (const ndb::Error&) {
          }
          Item::make({.n = 2}, ndb::id(2)).put();
        },
        {.deadline = kDeadline});
  });
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr("not committed"));
  EXPECT_EQ(store_->calls[RpcMethod::kCommit], 0);
  EXPECT_EQ(store_->calls[RpcMethod::kRollback], 1);
  EXPECT_TRUE(store_->entities.empty());
}

TEST_F(DeadlineTest, APutBehindAnotherOneOfItsKeyEndsInTime) {
  const auto scope = client_->context({.deadline = kDeadline});
  fault(RpcMethod::kCommit, Fault::kHang);
  auto first = Item::make({.n = 1}, ndb::id(1)).put_async();
  const auto [took, status] = outcome([] { Item::make({.n = 2}, ndb::id(1)).put(); });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr("not written"));
  EXPECT_EQ(first.try_get().status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store_->calls[RpcMethod::kCommit], 1);
}

TEST_F(DeadlineTest, APutIsCutWhileThePutsBeforeAndBehindItGoOn) {
  const auto scope = client_->context();
  fault(RpcMethod::kCommit, Fault::kSlow);
  auto first = Item::make({.n = 1}, ndb::id(1)).put_async();
  auto second = Item::make({.n = 2}, ndb::id(1)).put_async(with(kDeadline));
  auto third = Item::make({.n = 3}, ndb::id(1)).put_async();
  EXPECT_EQ(Item::get_by_id(1)->n, 3);
  auto behind_all = Item::get_by_id_async(1, kFresh);
  const auto [took, status] = outcome([&] { second.get(); });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr("put of Key('Item', 1"));
  EXPECT_THAT(status.message(), HasSubstr("not written"));
  EXPECT_THAT(status.message(), HasSubstr("waiting for an earlier write of the key"));
  EXPECT_FALSE(first.done());
  EXPECT_FALSE(behind_all.done());
  EXPECT_EQ(Item::get_by_id(1)->n, 3);
  first.get();
  third.get();
  EXPECT_EQ(behind_all.get()->n, 3);
  EXPECT_EQ(store_->calls[RpcMethod::kCommit], 2);
}

TEST_F(DeadlineTest, AfterALastPutThatWasCutReadsSeeTheOneBeforeIt) {
  const auto scope = client_->context();
  fault(RpcMethod::kCommit, Fault::kSlow);
  auto first = Item::make({.n = 1}, ndb::id(1)).put_async();
  auto second = ndb::key<Item>(1).delete_async(with(kDeadline));
  auto behind_both = Item::get_by_id_async(1, kFresh);
  EXPECT_FALSE(Item::get_by_id(1));
  EXPECT_THROW(second.get(), ndb::Error);
  EXPECT_FALSE(first.done());
  EXPECT_EQ(Item::get_by_id(1)->n, 1);
  EXPECT_EQ(behind_both.get()->n, 1);
  EXPECT_TRUE(first.done());
  EXPECT_EQ(Item::get_by_id(1)->n, 1);
  // Nothing stays in the way of later writes of the key.
  Item::make({.n = 4}, ndb::id(1)).put();
  EXPECT_EQ(Item::get_by_id(1, kFresh)->n, 4);
}

TEST_F(DeadlineTest, CancellingEndsAllPutsOfAKey) {
  const auto scope = client_->context();
  fault(RpcMethod::kCommit, Fault::kHang);
  std::vector<ndb::Future<ndb::Key>> puts;
  for (int n = 1; n <= 20; ++n) {
    puts.push_back(Item::make({.n = n}, ndb::id(1)).put_async({.deadline = std::chrono::seconds(1 + n % 3)}));
  }
  at(kDeadline, [&scope] { scope->cancel(); });
  const auto [took, status] = outcome([&] {
    for (const auto& put : puts) EXPECT_EQ(put.try_get().status().code(), StatusCode::kCancelled);
  });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(store_->calls[RpcMethod::kCommit], 1);
}

TEST_F(DeadlineTest, AReadBehindAWriteEndsInTime) {
  const auto scope = client_->context();
  fault(RpcMethod::kCommit, Fault::kHang);
  auto first = Item::make({.n = 1}, ndb::id(1)).put_async();
  const auto [took, status] = outcome([] { Item::get_by_id(1, with(kDeadline)); });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr("an earlier write of the key has not ended"));
  EXPECT_FALSE(first.try_get().ok());
}

TEST_F(DeadlineTest, CommitsBehindOthersEndInTime) {
  const auto scope = client_->context();
  fault(RpcMethod::kCommit, Fault::kHang);
  std::vector<ndb::Future<ndb::Key>> before;
  for (int i = 1; i <= 5; ++i) {
    before.push_back(Item::make({}, ndb::id(i)).put_async({.deadline = std::chrono::seconds(10 + i)}));
  }
  const auto [took, status] = outcome([] { Item::make({}, ndb::id(100)).put(with(kDeadline)); });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr("not written"));
  for (const auto& one : before) EXPECT_FALSE(one.try_get().ok());
}

TEST_F(DeadlineTest, TheEndOfTheScopeIsInTimeToo) {
  fault(RpcMethod::kRollback, Fault::kHang);
  const auto [took, status] = outcome([&] {
    auto scope = client_->context({.deadline = kDeadline});
    EXPECT_THROW(ndb::transaction([] { throw std::runtime_error("no"); }), std::runtime_error);
    auto sleeper = ndb::detail::in_background([] { ndb::sleep(1h); });
    scope.close();
  });
  EXPECT_LE(took, kDeadline + kSlack) << status;
}

TEST_F(DeadlineTest, RefusesWhatLeavesNoTime) {
  for (const auto deadline : {0ms, -5ms}) {
    const auto [took, status] = outcome([&] { const auto scope = client_->context({.deadline = deadline}); });
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("deadline"));
    const auto scope = client_->context();
    EXPECT_THROW(Item::get_by_id(1, {.deadline = deadline}), ndb::BadArgumentError);
    EXPECT_THROW(ndb::transaction([] {}, {.deadline = deadline}), ndb::BadArgumentError);
  }
}

TEST_F(DeadlineTest, AStopThatCameFirstOrAfterTheEnd) {
  std::stop_source early, late;
  early.request_stop();
  {
    const auto scope = client_->context({.stop = early.get_token()});
    EXPECT_THROW(Item::get_by_id(1), ndb::Cancelled);
    EXPECT_THROW(Item::make({}, ndb::id(1)).put(), ndb::Cancelled);
    EXPECT_THROW(ndb::transaction([] {}), ndb::Cancelled);
  }
  {
    const auto scope = client_->context({.stop = late.get_token()});
  }
  late.request_stop();
  const auto scope = client_->context();
  EXPECT_FALSE(Item::get_by_id(1));
}

TEST_F(DeadlineTest, CancelledHitsFailToo) {
  const auto scope = client_->context();
  Item::make({.n = 1}, ndb::id(1)).put();
  EXPECT_TRUE(Item::get_by_id(1));
  scope->cancel();
  scope->cancel();
  EXPECT_THROW(Item::get_by_id(1), ndb::Cancelled);
}

TEST_F(DeadlineTest, ContextsHaveTheDefaultOfTheirClient) {
  const auto core = ndb::core_of(*client_);
  core->options.context_deadline = kDeadline;
  fault(RpcMethod::kLookup, Fault::kHang);
  const auto scope = client_->context();
  const auto [took, status] = outcome([] { Item::get_by_id(1); });
  EXPECT_LE(took, kDeadline + kSlack);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
}

}  // namespace
