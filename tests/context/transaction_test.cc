// Transactions: all or nothing, in the Datastore and in every cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "context/write_batch.h"
#include "ndb/detail/codec.h"
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

class Large : public ndb::Model<Large> {
 public:
  struct Properties {
    ndb::Blob noise{};
  };
  NDB_MODEL(noise)
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
    // A handle from outside keeps the id that it got, and that is all.
    Counter fresh = Counter::make({.n = 9});
    ndb::transaction([&] {
      fresh.put();
      throw ndb::Rollback("never mind");
    });
    EXPECT_TRUE(fresh.key().is_complete());
    EXPECT_EQ(ndb::version_of(fresh), 0u);
    EXPECT_FALSE(fresh.key().get<Counter>());
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

TEST_F(Transactions, InvalidateReachesTheContextAround) {
  set("a", 1);
  ndb::ClientOptions without = options();
  without.memcached_hosts = std::vector<std::string>();
  const ndb::Client console(without);
  in_new_context(client_, [&] {
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
    std::thread([&] { in_new_context(console, [] { Counter::make({.n = 2}, ndb::id("a")).put(); }); }).join();
    ndb::transaction([] { ndb::get_context().invalidate(ndb::key<Counter>("a")); });
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);
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

TEST_F(Transactions, AFailingCallbackStopsNobodyAndTheCommitStands) {
  std::vector<int> ran;
  in_new_context(client_, [&] {
    EXPECT_THROW(ndb::transaction([&] {
                   Counter::make({.n = 5}, ndb::id("a")).put();
                   ndb::get_context().call_on_commit([&] { ran.push_back(1); });
                   ndb::get_context().call_on_commit([] { throw std::runtime_error("callback"); });
                   ndb::get_context().call_on_commit([&] { ran.push_back(3); });
                 }),
                 std::runtime_error);
    EXPECT_EQ(Counter::get_by_id("a")->n, 5);
  });
  EXPECT_THAT(ran, ElementsAre(1, 3));
  EXPECT_EQ(get("a"), 5);
}

// What never reaches the Datastore is stored after the commit. If memcache refuses it, the commit stands all the same,
// and what must follow it is done.
TEST_F(Transactions, CallbacksRunAlthoughMemcacheRefusesAnEntity) {
  std::string noise;
  for (std::mt19937 random; noise.size() < 1'048'450;) noise.push_back(static_cast<char>(random()));
  bool ran = false;
  in_new_context(client_, [&] {
    try {
      ndb::transaction([&] {
        Counter::make({.n = 5}, ndb::id("a")).put();
        Large::make({.noise = ndb::Blob(noise)}, ndb::id("b")).put({.use_datastore = false});
        ndb::get_context().call_on_commit([&] { ran = true; });
      });
      ADD_FAILURE() << "nobody says that the entity is too large";
    } catch (const ndb::Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("the transaction was committed, but Key('Large', 'b'"));
    }
  });
  EXPECT_TRUE(ran);
  EXPECT_EQ(get("a"), 5);
}

TEST_F(Transactions, CallbacksOfItsEndRunHoweverItEnds) {
  std::vector<std::string> events;
  const auto note = [&](std::string event) {
    return [&events, event = std::move(event)] {
      EXPECT_FALSE(ndb::get_context().in_transaction());
      const Counter a = Counter::get_by_id("a");
      events.push_back(event + " " + (a ? std::to_string(a->n) : "-"));
    };
  };
  const auto begin = [&](const std::string& event) {
    ndb::Context& context = ndb::get_context();
    context.call_on_transaction_complete(note(event + " ended"));
    context.call_on_commit(note(event + " committed"));
  };
  struct Oops {};
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    if (++commits == 2) return ScriptedStub::Verdict{absl::AbortedError("contention"), false};
    if (commits == 4) return ScriptedStub::Verdict{absl::UnavailableError("cut"), true};
    return ScriptedStub::Verdict{};
  };
  const auto put = [](std::int64_t n) { Counter::make({.n = n}, ndb::id("a")).put(); };
  in_new_context(client, [&] {
    ndb::get_context().call_on_transaction_complete(note("at once"));
    ndb::transaction([&] {
      begin("first");
      put(1);
      ndb::transaction([&] { begin("joined"); }, {.propagation = ndb::Propagation::kAllowed});
    });
    EXPECT_THAT(events,
                ElementsAre("at once -", "first committed 1", "joined committed 1", "first ended 1", "joined ended 1"));
    events.clear();
    ndb::transaction([&] {
      begin("rolled back");
      put(2);
      throw ndb::Rollback("");
    });
    EXPECT_THROW(ndb::transaction([&] {
                   begin("thrown");
                   put(2);
                   throw Oops();
                 }),
                 Oops);
    EXPECT_THAT(events, ElementsAre("rolled back ended 1", "thrown ended 1"));
    events.clear();
    int attempts = 0;
    ndb::transaction([&] {
      begin("attempt " + std::to_string(++attempts));
      put(3);
    });
    EXPECT_THAT(events, ElementsAre("attempt 1 ended 1", "attempt 2 committed 3", "attempt 2 ended 3"));
    events.clear();
    EXPECT_THROW(ndb::transaction([&] {
                   begin("unknown");
                   put(4);
                 }),
                 ndb::Error);
    EXPECT_THAT(events, ElementsAre("unknown ended 4"));
  });
}

TEST_F(Transactions, CallbacksOfItsEndAllRunAndTheFirstErrorCounts) {
  std::vector<int> ran;
  const auto end_badly = [&] {
    ndb::get_context().call_on_transaction_complete([&] {
      ran.push_back(1);
      throw std::runtime_error("first callback");
    });
    ndb::get_context().call_on_transaction_complete([&] {
      ran.push_back(2);
      throw std::runtime_error("second callback");
    });
    Counter::make({.n = 5}, ndb::id("a")).put();
  };
  const auto error_of = [](const std::function<void()>& body) -> std::string {
    try {
      ndb::transaction(body);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  };
  in_new_context(client_, [&] {
    EXPECT_EQ(error_of([&] {
                end_badly();
                throw std::runtime_error("body");
              }),
              "body");
    EXPECT_FALSE(Counter::get_by_id("a"));
    EXPECT_EQ(error_of([&] {
                end_badly();
                throw ndb::Rollback("");
              }),
              "first callback");
    EXPECT_EQ(error_of(end_badly), "first callback");  // the commit stands
    EXPECT_EQ(Counter::get_by_id("a")->n, 5);
    EXPECT_EQ(error_of([&] {
                end_badly();
                ndb::get_context().call_on_commit([] { throw std::runtime_error("on commit"); });
              }),
              "on commit");
  });
  EXPECT_THAT(ran, ElementsAre(1, 2, 1, 2, 1, 2, 1, 2));
}

TEST_F(Transactions, WhatJoinsSharesTheFate) {
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
    // Its errors are the caller's, who may go on.
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

TEST_F(Transactions, WithoutItsLocksNothingIsWritten) {
  set("a", 1);
  ndb::ClientOptions options = this->options();
  options.memcached_hosts = {"127.0.0.1:1"};  // nobody there
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(ndb::Client(options), stub);
  int rollbacks = 0;
  stub->on_rollback = [&](const auto&) { ++rollbacks; };
  const auto counts = in_new_context(client, [] {
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(error.what(), HasSubstr("transaction not committed"));
      EXPECT_THAT(error.what(), HasSubstr("Counter"));
    }
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
    // What writes nothing needs no locks.
    EXPECT_EQ(ndb::transaction([] { return Counter::get_by_id("a")->n; }), 1);
  });
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(rollbacks, 1);
}

// An id that is there before the commit makes the put one that can be sent again.
// A machine that may be suspended whenever somebody looks at its clock.
class SuspendedClock final : public ndb::Clock {
 public:
  ndb::WallTime now() const override { return system().now(); }
  ndb::Monotonic monotonic() const override { return system().monotonic() + ndb::Monotonic(passed_ += each_look); }
  std::atomic<ndb::Monotonic::rep> each_look{0};

 private:
  mutable std::atomic<ndb::Monotonic::rep> passed_{0};
};

TEST_F(Transactions, UnderLocksThatMayHaveEndedNothingIsWritten) {
  SuspendedClock clock;
  const auto core = ndb::testing::take_core(client());
  auto config = ndb::context::memcache_config(options());
  config.clock = &clock;
  core->gateway = *ndb::memcache::Gateway::make(std::move(config));
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(ndb::Client(core), stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    ++commits;
    return ScriptedStub::Verdict{};
  };
  set("a", 1);
  in_new_context(client, [&] {
    clock.each_look = ndb::Monotonic(std::chrono::minutes(2)).count();
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE() << "it was committed";
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(error.what(), HasSubstr("not committed: its locks in memcache took too long"));
    }
    EXPECT_EQ(commits, 0);
    clock.each_look = 0;
    ndb::transaction([] { increment("a"); });
    EXPECT_EQ(commits, 1);
  });
  EXPECT_EQ(get("a"), 2);
}

TEST_F(Transactions, AllocateFirstMakesAPutResendable) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    // The first attempt is applied, and its answer is lost.
    return ++commits == 1 ? ScriptedStub::Verdict{absl::UnavailableError("cut"), true} : ScriptedStub::Verdict{};
  };
  in_new_context(client, [&] {
    EXPECT_THROW(Counter::make({.n = 1}).put({.retries = 2}), ndb::Error);
    EXPECT_EQ(commits, 1);
    commits = 0;
    const ndb::Key key = Counter::make({.n = 2}).put({.allocate_first = true, .retries = 2});
    EXPECT_EQ(commits, 2);
    EXPECT_TRUE(key.is_complete());
    EXPECT_EQ(Counter::query(Counter::n == 2).keys(), std::vector{key});
    EXPECT_EQ(key.get<Counter>({.use_cache = false})->n, 2);
    commits = 1;
    const ndb::Key named = Counter::make({.n = 3}, ndb::id("x")).put({.allocate_first = true});
    EXPECT_EQ(named, ndb::key<Counter>("x").in_partition({.project = project()}));
  });
}

// Rounds of parallel transactions with all kinds of ends. Whatever did not commit is to be seen nowhere: not in this
// context's cache, not in another context, memcache or the Datastore, not in queries, and no callback of it runs.
TEST_F(Transactions, RandomOnesLeaveNothingOfWhatFailed) {
  enum class Fate { kCommit, kThrow, kRollback, kRefused, kAbortedOnce, kAborted };
  constexpr int kGroups = 3, kKeys = 4;
  struct Oops {};
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto id = [](int group, int key) { return std::to_string(group) + "-" + std::to_string(key); };

  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  std::array<Fate, kGroups> fates{};
  std::array<int, kGroups> attempts{};
  stub->on_commit = [&](const ndb::wire::CommitRequest& request) -> ScriptedStub::Verdict {
    if (request.mutations_size() == 0) return {};
    const auto& mutation = request.mutations(0);
    const auto key =
        mutation.has_upsert() ? ndb::detail::entity_key(mutation.upsert()) : ndb::Key::from_bytes(mutation.delete_());
    const auto group = static_cast<std::size_t>(key->string_id()->front() - '0');
    const bool first = ++attempts[group] == 1;
    switch (fates[group]) {
      case Fate::kRefused:
        return {absl::InvalidArgumentError("refused"), false};
      case Fate::kAborted:
        return {absl::AbortedError("contention"), false};
      case Fate::kAbortedOnce:
        if (first) return {absl::AbortedError("contention"), false};
        return {};
      default:
        return {};
    }
  };
  std::map<std::string, std::int64_t> model;
  const auto agrees = [&](const ndb::Options& options) {
    for (int group = 0; group < kGroups; ++group) {
      for (int key = 0; key < kKeys; ++key) {
        const Counter found = Counter::get_by_id(id(group, key), options);
        const auto expected = model.find(id(group, key));
        ASSERT_EQ(static_cast<bool>(found), expected != model.end()) << id(group, key);
        if (found) {
          ASSERT_EQ(found->n, expected->second) << id(group, key);
        }
      }
    }
  };
  in_new_context(client, [&] {
    for (int round = 0; round < 25 && !HasFatalFailure(); ++round) {
      std::vector<std::map<std::string, std::int64_t>> after(kGroups);  // -1: deleted
      std::vector<int> groups(kGroups), callbacks(kGroups);
      std::iota(groups.begin(), groups.end(), 0);
      attempts = {};
      for (Fate& fate : fates) fate = static_cast<Fate>(below(6));
      ndb::map(groups, [&](int group) {
        const auto g = static_cast<std::size_t>(group);
        const auto body = [&] {
          after[g].clear();
          ndb::get_context().call_on_commit([&callbacks, g] { ++callbacks[g]; });
          for (int step = 0; step < 5; ++step) {
            const std::string key = id(group, below(kKeys));
            const int what = below(4);
            if (what == 0) {
              ndb::key<Counter>(key).delete_();
              after[g][key] = -1;
            } else if (what == 1) {
              const Counter found = Counter::get_by_id(key);
              const auto mine = after[g].find(key);
              const auto stored = model.find(key);
              const std::int64_t expected = mine != after[g].end()  ? mine->second
                                            : stored != model.end() ? stored->second
                                                                    : -1;
              EXPECT_EQ(found ? found->n : -1, expected) << key;
            } else {
              const std::int64_t n = below(1000);
              Counter::make({.n = n}, ndb::id(key)).put();
              after[g][key] = n;
            }
          }
          if (after[g].empty()) {
            Counter::make({.n = 0}, ndb::id(id(group, 0))).put();
            after[g][id(group, 0)] = 0;
          }
          if (fates[g] == Fate::kThrow) throw Oops();
          if (fates[g] == Fate::kRollback) throw ndb::Rollback("");
        };
        try {
          ndb::transaction(body, {.retries = 1});
        } catch (const Oops&) {
        } catch (const ndb::Error&) {
        }
      });
      for (std::size_t g = 0; g < kGroups; ++g) {
        const bool committed = fates[g] == Fate::kCommit || fates[g] == Fate::kAbortedOnce;
        EXPECT_EQ(callbacks[g], committed ? 1 : 0);
        if (!committed) continue;
        for (const auto& [key, n] : after[g]) {
          if (n < 0) {
            model.erase(key);
          } else {
            model[key] = n;
          }
        }
      }
      agrees({});
      agrees({.use_cache = false});
      agrees({.use_cache = false, .use_memcache = false});
      elsewhere([&] { agrees({}); });
      std::map<std::string, std::int64_t> queried;
      for (const Counter& counter : Counter::query()) queried[std::string(*counter.key().string_id())] = counter->n;
      EXPECT_EQ(queried, model);
    }
  });
}

}  // namespace
