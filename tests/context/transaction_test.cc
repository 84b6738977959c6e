// Transactions: all or nothing, in the Datastore and in every cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "support/tiers.h"

namespace {

using ndb::testing::ScriptedStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Counter : public ndb::Model<Counter> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class Memo : public ndb::Model<Memo> {  // lives in memcache
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_datastore = false;
};

class Transactions : public Tiers {
 protected:
  void set(std::string_view id, std::int64_t n) {
    in_new_context(client_, [&] { Counter::make({.n = n}, ndb::id(id)).put(); });
  }
  std::int64_t get(std::string_view id) {
    std::int64_t n = -1;
    in_new_context(client_, [&] {
      if (const Counter counter = Counter::get_by_id(id)) n = counter->n;
    });
    return n;
  }
  // What somebody else does meanwhile.
  void elsewhere(const std::function<void()>& body) {
    std::thread([&] { in_new_context(client_, body); }).join();
  }
  static void increment(std::string_view id) {
    Counter counter = Counter::get_by_id(id);
    counter.edit().n += 1;
    counter.put();
  }
  const ndb::Client client_ = client();
};

TEST_F(Transactions, CommitAppliesAllAndMergesOnce) {
  set("a", 1);
  set("b", 1);
  const auto counts = in_new_context(client_, [&] {
    Counter::get_by_id("a");
    const std::int64_t sum = ndb::transaction([&] {
      EXPECT_TRUE(ndb::get_context().in_transaction());
      EXPECT_EQ(ndb::get_context().cache_size(), 0);  // a context of its own, empty
      increment("a");
      increment("b");
      elsewhere([] { EXPECT_EQ(Counter::get_by_id("a")->n, 1); });
      return Counter::get_by_id("a")->n + Counter::get_by_id("b")->n;  // its own writes, through its cache
    });
    EXPECT_EQ(sum, 4);
    EXPECT_FALSE(ndb::get_context().in_transaction());
    const auto lookups = ndb::get_context().counts().lookups;
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);  // merged into this context
    EXPECT_EQ(Counter::get_by_id("b")->n, 2);
    EXPECT_EQ(ndb::get_context().counts().lookups, lookups);
  });
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(counts.memcache_locks, 1);
  EXPECT_EQ(get("a"), 2);
  EXPECT_EQ(get("b"), 2);
}

// What the cache policy keeps out of the transaction's cache is not read back there; neither is what it replaced.
TEST_F(Transactions, AnUncachedWriteDropsTheSlotOfTheEarlierRead) {
  set("a", 1);
  in_new_context(client_, [&] {
    Counter::get_by_id("a");
    ndb::transaction([&] {
      Counter counter = Counter::get_by_id("a");
      const auto lookups = ndb::get_context().counts().lookups;
      counter.edit().n = 2;
      counter.put({.use_cache = false});
      EXPECT_EQ(ndb::get_context().cache_size(), 0);
      EXPECT_EQ(Counter::get_by_id("a")->n, 1);  // the snapshot's, asked for anew
      EXPECT_EQ(ndb::get_context().counts().lookups, lookups + 1);
    });
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);
  });
}

TEST_F(Transactions, ReadsBypassMemcacheAndFillNothing) {
  set("a", 1);
  EXPECT_EQ(get("a"), 1);  // memcache has it
  const auto counts = in_new_context(client_, [] {
    ndb::transaction([] {
      EXPECT_EQ(Counter::get_by_id("a")->n, 1);
      EXPECT_FALSE(Counter::get_by_id("none"));
    });
  });
  EXPECT_EQ(counts.memcache_reads, 0);
  EXPECT_EQ(counts.memcache_fills, 0);
  EXPECT_EQ(counts.lookups, 2);
}

TEST_F(Transactions, NothingOfAFailedAttemptIsVisible) {
  set("a", 1);
  struct Oops {};
  in_new_context(client_, [&] {
    const Counter before = Counter::get_by_id("a");
    EXPECT_THROW(ndb::transaction([] {
                   increment("a");
                   Counter::make({.n = 9}, ndb::id("new")).put();
                   throw Oops();
                 }),
                 Oops);
    ndb::transaction([] {
      increment("a");
      throw ndb::Rollback("never mind");
    });
    EXPECT_EQ(ndb::transaction([]() -> int { throw ndb::Rollback("never mind"); }), 0);
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
    EXPECT_EQ(before->n, 1);
    EXPECT_FALSE(Counter::get_by_id("new"));
    EXPECT_EQ(ndb::get_context().counts().commits, 0);
  });
  EXPECT_EQ(get("a"), 1);
}

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
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    ++commits;
    return ScriptedStub::Verdict{absl::AbortedError("contention"), false};
  };
  in_new_context(client, [&] {
    EXPECT_THROW(ndb::transaction([] { increment("a"); }, {.retries = 1}), ndb::TransactionFailedError);
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
  });
  EXPECT_EQ(commits, 2);
  EXPECT_EQ(get("a"), 1);
  const auto counts = in_new_context(client_, [] { Counter::get_by_id("a"); });
  EXPECT_EQ(counts.memcache_hits, 1);  // the locks of both attempts were given back
}

TEST_F(Transactions, AnUnknownOutcomeKeepsTheLocks) {
  set("a", 1);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  stub->on_commit = [](const auto&) { return ScriptedStub::Verdict{absl::UnavailableError("cut"), true}; };
  in_new_context(client, [&] {
    Counter::get_by_id("a");
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("unknown whether"));
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
    }
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);  // it was applied; the old slot is gone
  });
  const auto counts = in_new_context(client_, [] { EXPECT_EQ(Counter::get_by_id("a")->n, 2); });
  EXPECT_EQ(counts.memcache_hits + counts.memcache_fills, 0);
}

TEST_F(Transactions, CallbacksRunAfterTheCommitInOrder) {
  std::vector<std::string> events;
  in_new_context(client_, [&] {
    ndb::get_context().call_on_commit([&] { events.push_back("at once"); });
    ndb::transaction([&] {
      ndb::get_context().call_on_commit([&] {
        EXPECT_FALSE(ndb::get_context().in_transaction());
        events.push_back("first " + std::to_string(Counter::get_by_id("a")->n));
      });
      ndb::get_context().call_on_commit([&] { events.push_back("second"); });
      Counter::make({.n = 5}, ndb::id("a")).put();
      events.push_back("body");
    });
    ndb::transaction([&] {
      ndb::get_context().call_on_commit([&] { events.push_back("never"); });
      throw ndb::Rollback("");
    });
  });
  EXPECT_THAT(events, ElementsAre("at once", "body", "first 5", "second"));
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

TEST_F(Transactions, WritesOfEveryKind) {
  set("gone", 1);
  in_new_context(client_, [&] {
    ndb::Key assigned;
    ndb::transaction([&] {
      Counter counter = Counter::make({.n = 7});
      assigned = counter.put();  // the id is there at once
      EXPECT_EQ(counter.key(), assigned);
      ndb::key<Counter>("gone").delete_();
      EXPECT_FALSE(Counter::get_by_id("gone"));
      Counter::make({.n = 1}, ndb::id("twice")).put();
      Counter::make({.n = 2}, ndb::id("twice")).put();
      (void)Counter::make({.n = 3}, ndb::id("unwaited")).put_async();
      Memo::make({.n = 4}, ndb::id("memo")).put();
    });
    EXPECT_EQ(assigned.get<Counter>()->n, 7);
  });
  EXPECT_EQ(get("gone"), -1);
  EXPECT_EQ(get("twice"), 2);
  EXPECT_EQ(get("unwaited"), 3);
  in_new_context(client_, [] { EXPECT_EQ(Memo::get_by_id("memo")->n, 4); });
}

TEST_F(Transactions, LimitsAndReadOnly) {
  const auto counts = in_new_context(client_, [&] {
    EXPECT_THROW(ndb::transaction([] { Counter::make({}, ndb::id("x")).put(); }, {.read_only = true}),
                 ndb::BadRequestError);
    EXPECT_THROW(ndb::transaction([] {
                   for (int i = 1; i <= 501; ++i) Counter::make({}, ndb::id(i)).put();
                 }),
                 ndb::BadRequestError);
    EXPECT_THROW(ndb::transaction([] {}, {.retries = -1}), ndb::BadArgumentError);
    EXPECT_EQ(ndb::transaction([] { return Counter::get_by_id("x") ? 1 : 0; }, {.read_only = true}), 0);
    EXPECT_THROW(
        ndb::transaction([] { Counter::get_by_id("x", {.read_consistency = ndb::ReadConsistency::kEventual}); }),
        ndb::BadRequestError);
  });
  EXPECT_EQ(counts.memcache_locks, 0);
}

TEST_F(Transactions, AContextInheritsPoliciesAndLimits) {
  set("a", 1);
  in_new_context(client_, [] {
    ndb::Context& context = ndb::get_context();
    context.set_cache_policy([](const ndb::Key& key) { return key.string_id() != "a"; });
    context.set_cache_limit(1);
    ndb::transaction([] {
      Counter::get_by_id("a");
      EXPECT_EQ(ndb::get_context().cache_size(), 0);
      Counter::get_by_id("b");
      Counter::get_by_id("c");
      EXPECT_EQ(ndb::get_context().cache_size(), 1);
    });
  });
}

TEST_F(Transactions, TheMergeNeverReplacesWhatIsNewer) {
  set("read", 1);
  set("written", 1);
  in_new_context(client_, [] {
    ndb::transaction([] {
      EXPECT_EQ(Counter::get_by_id("read")->n, 1);
      ndb::non_transactional([] { Counter::make({.n = 2}, ndb::id("written")).put(); });
    });
    EXPECT_EQ(Counter::get_by_id("written")->n, 2);
    // A read-only transaction reads its snapshot, whatever this context writes meanwhile.
    ndb::transaction(
        [] {
          ndb::non_transactional([] { Counter::make({.n = 2}, ndb::id("read")).put(); });
          EXPECT_EQ(Counter::get_by_id("read")->n, 1);
        },
        {.read_only = true});
    EXPECT_EQ(Counter::get_by_id("read")->n, 2);
  });
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

}  // namespace
