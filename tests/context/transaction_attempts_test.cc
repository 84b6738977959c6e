// Attempts at a transaction: conflicts, back-off, propagation, side by side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "context/backoff.h"
#include "context/transaction_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(Transactions, AConflictRunsTheFunctionAgain) {
  set("a", 1);
  int attempts = 0;
  in_new_context(client_, [&] {
    ndb::transaction([&] {
      increment("a");
      if (++attempts == 1) elsewhere([] { Counter::make({.n = 10}, ndb::id("a")).put(); });
    });
    EXPECT_EQ(Counter::get_by_id("a")->n, 11);
  });
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(get("a"), 11);
}

TEST_F(Transactions, AfterTheLastAttemptItFails) {
  set("a", 1);
  const ndb::Client client = with_failing_commits(absl::AbortedError("contention"), /*apply=*/false);
  in_new_context(client, [&] {
    EXPECT_THROW(ndb::transaction([] { increment("a"); }, {.retries = 1}), ndb::TransactionFailedError);
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
  });
  EXPECT_EQ(commits_, 2);
  EXPECT_EQ(get("a"), 1);
  const auto counts = in_new_context(client_, [] { Counter::get_by_id("a"); });
  EXPECT_EQ(counts.memcache_hits, 1);  // the locks of both attempts were given back
}

TEST_F(Transactions, ATransientFailureWithoutEffectsIsRetried) {
  set("a", 1);
  int attempts = 0;
  const auto fails = [&](int times, const absl::Status& status) {
    attempts = 0;
    return [&attempts, times, status] {
      increment("a");
      if (++attempts <= times) ndb::throw_error(status);
    };
  };
  in_new_context(client_, [&] {
    ndb::transaction(fails(2, absl::UnavailableError("away")));
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);
    try {
      ndb::transaction(fails(9, absl::UnavailableError("away")), {.retries = 1});
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(error.what(), HasSubstr("away"));
    }
    EXPECT_EQ(attempts, 2);
    EXPECT_THROW(ndb::transaction(fails(9, absl::DeadlineExceededError("late"))), ndb::Error);
    EXPECT_EQ(attempts, 1);

    // What the function did outside of its transaction may have been applied, so it is not repeated.
    ScriptedStub* stub = nullptr;
    const ndb::Client other = scripted(stub);
    stub->on_commit = [](const auto&) { return ScriptedStub::Verdict{absl::UnavailableError("cut off"), true}; };
    attempts = 0;
    std::thread([&] {
      in_new_context(other, [&] {
        EXPECT_THROW(ndb::transaction([&] {
                       ++attempts;
                       ndb::non_transactional([] { Counter::make({.n = 1}, ndb::id("b")).put(); });
                     }),
                     ndb::Error);
      });
    }).join();
    EXPECT_EQ(attempts, 1);
  });
  EXPECT_EQ(get("a"), 2);
}

TEST_F(Transactions, Propagation) {
  in_new_context(client_, [&] {
    EXPECT_THROW(ndb::transaction([] {}, {.propagation = ndb::Propagation::kMandatory}), ndb::BadRequestError);
    ndb::transaction([&] {
      EXPECT_THROW(ndb::transaction([] {}), ndb::BadRequestError);
      ndb::Context* const mine = &ndb::get_context();
      for (const auto join : {ndb::Propagation::kAllowed, ndb::Propagation::kMandatory}) {
        ndb::transaction([&] { EXPECT_EQ(&ndb::get_context(), mine); }, {.propagation = join});
      }
      Counter::make({.n = 1}, ndb::id("outer")).put();
      ndb::transaction([&] { Counter::make({.n = 1}, ndb::id("inner")).put(); },
                       {.propagation = ndb::Propagation::kIndependent});
      ndb::non_transactional([&] {
        EXPECT_FALSE(ndb::get_context().in_transaction());
        EXPECT_TRUE(Counter::get_by_id("inner"));
        EXPECT_FALSE(Counter::get_by_id("outer"));
      });
      EXPECT_EQ(&ndb::get_context(), mine);
      throw ndb::Rollback("");
    });
  });
  EXPECT_EQ(get("inner"), 1);
  EXPECT_EQ(get("outer"), -1);
}

// Parallel transactions in one thread never see each other, and each waits for the tasklets it spawned.
TEST_F(Transactions, ParallelTransactionsInTasklets) {
  set("a", 0);
  in_new_context(client_, [&] {
    std::vector<int> rounds(8);
    ndb::map(rounds, [](int) { ndb::transaction([] { increment("a"); }, {.retries = 20}); });
    EXPECT_EQ(Counter::get_by_id("a")->n, 8);
    ndb::transaction([&] {
      static std::vector<ndb::Tasklet<void>> left_over;
      left_over.push_back(ndb::tasklet([] { increment("a"); }));
    });
    EXPECT_EQ(Counter::get_by_id("a")->n, 9);
  });
  EXPECT_EQ(get("a"), 9);
}

TEST_F(Transactions, EachAttemptNamesTheOneBefore) {
  set("a", 1);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  std::vector<std::string> previous, committed;
  int callbacks = 0, rollbacks = 0;
  stub->on_begin = [&](const auto& request) {
    previous.push_back(request.transaction_options().read_write().previous_transaction());
  };
  stub->on_commit = [&](const auto& request) {
    committed.push_back(request.transaction());
    if (committed.size() <= 2) return ScriptedStub::Verdict{absl::AbortedError("contention"), false};
    return ScriptedStub::Verdict{};
  };
  stub->on_rollback = [&](const auto&) { ++rollbacks; };
  in_new_context(client, [&] {
    ndb::transaction([&] {
      EXPECT_EQ(ndb::get_context().cache_size(), 0);  // nothing is left of the attempt before
      increment("a");
      ndb::get_context().call_on_commit([&] { ++callbacks; });
    });
  });
  ASSERT_EQ(committed.size(), 3u);
  EXPECT_THAT(previous, ElementsAre("", committed[0], committed[1]));
  EXPECT_EQ(callbacks, 1);
  EXPECT_EQ(rollbacks, 0);
  EXPECT_EQ(get("a"), 2);
}

TEST_F(Transactions, BackOffGrowsAndIsBounded) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const auto limit = std::chrono::milliseconds(attempt < 9 ? 100 << attempt : 30'000);
    const auto wait = ndb::context::backoff(attempt);
    EXPECT_GE(wait.count(), 0);
    EXPECT_LE(wait, std::min<std::chrono::milliseconds>(limit, std::chrono::seconds(30)));
  }
}

TEST_F(Transactions, AJoinedTransactionSharesTheOutcome) {
  set("a", 1);
  set("b", 1);
  const ndb::TransactionOptions join{.propagation = ndb::Propagation::kAllowed};
  in_new_context(client_, [&] {
    ndb::transaction([&] {
      increment("a");
      ndb::transaction([] { throw ndb::Rollback(""); }, join);
      ADD_FAILURE() << "Rollback is the whole transaction's";
    });
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
    // Its errors are reported to the caller, who may continue.
    ndb::transaction([&] {
      increment("a");
      EXPECT_THROW(ndb::transaction(
                       [] {
                         increment("b");
                         throw std::runtime_error("inner");
                       },
                       join),
                   std::runtime_error);
    });
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);
    EXPECT_EQ(Counter::get_by_id("b")->n, 2);
  });
  EXPECT_EQ(get("b"), 2);
}

TEST_F(Transactions, TransactionalFunctions) {
  set("a", 1);
  in_new_context(client_, [&] {
    auto add = ndb::transactional([](std::string_view id, std::int64_t by) {
      EXPECT_TRUE(ndb::in_transaction());
      Counter counter = Counter::get_by_id(id);
      counter.edit().n += by;
      counter.put();
      return counter->n;
    });
    EXPECT_FALSE(ndb::in_transaction());
    EXPECT_EQ(add("a", 2), 3);
    ndb::transaction([&] {
      EXPECT_EQ(add("a", 1) + add("a", 1), 9);  // both join
      EXPECT_THROW(ndb::non_transactional([] {}, false), ndb::BadRequestError);
    });
    EXPECT_EQ(ndb::non_transactional([] { return 7; }, false), 7);
  });
  EXPECT_EQ(get("a"), 5);
}

TEST_F(Transactions, AsyncOnesGoOnSideBySide) {
  set("a", 1);
  set("b", 1);
  const auto counts = in_new_context(client_, [&] {
    const auto one = ndb::transaction_async([] {
      increment("a");
      return Counter::get_by_id("a")->n;
    });
    const auto two = ndb::transaction_async([] { increment("b"); });
    const auto undone = ndb::transaction_async([]() -> int { throw ndb::Rollback(""); });
    const auto fails = ndb::transaction_async([] { throw std::runtime_error("oops"); });
    EXPECT_FALSE(ndb::in_transaction());
    EXPECT_EQ(one.get(), 2);
    two.get();
    EXPECT_EQ(undone.get(), 0);
    EXPECT_THROW(fails.get(), std::runtime_error);
    {
      const auto joined = ndb::transaction_async([] { increment("a"); });
    }
    EXPECT_EQ(Counter::get_by_id("a")->n, 3);
  });
  EXPECT_EQ(counts.commits, 3);
}

}  // namespace
}  // namespace ndb::testing
