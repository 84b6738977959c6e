// Transactions: all or nothing, in the Datastore and in every cache.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "context/transaction_fixture.h"

namespace ndb::testing {
namespace {

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

// The cache policy keeps it out of the transaction's cache, but the transaction sees it, because it has written it.
TEST_F(Transactions, AnUncachedWriteIsSeenInsteadOfTheEarlierRead) {
  set("a", 1);
  in_new_context(client_, [&] {
    Counter::get_by_id("a");
    ndb::transaction([&] {
      Counter counter = Counter::get_by_id("a");
      const auto lookups = ndb::get_context().counts().lookups;
      counter.edit().n = 2;
      counter.put({.use_cache = false});
      EXPECT_EQ(ndb::get_context().cache_size(), 0);
      EXPECT_EQ(Counter::get_by_id("a")->n, 2);
      EXPECT_EQ(ndb::get_context().counts().lookups, lookups);
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
    // A handle from outside keeps the id that it was given, but nothing else.
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

}  // namespace
}  // namespace ndb::testing
