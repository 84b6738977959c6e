// Which tier answers a read, and how reads share their round trips.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "context/context_fixture.h"
#include "support/fake_clock.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;

// The manual: the context cache first, then memcache, then the Datastore; each fills the ones above it.
TEST_F(ContextTest, AReadIsAnsweredByTheFirstTierThatKnows) {
  const ndb::Key key = ndb::key<Account>("ada");
  store({key});

  const ndb::TierCounts cold = in_new_context(client_, [&] { EXPECT_EQ(key.get<Account>()->name, "ada"); });
  EXPECT_EQ(cold.lookups, 1);
  EXPECT_EQ(cold.memcache_hits, 0);
  EXPECT_EQ(cold.memcache_fills, 1);

  const ndb::TierCounts warm = in_new_context(client_, [&] {
    EXPECT_EQ(key.get<Account>()->name, "ada");
    EXPECT_EQ(ndb::get_context().counts().memcache_hits, 1);
    EXPECT_EQ(key.get<Account>()->name, "ada");  // a context hit: no call at all
    EXPECT_EQ(ndb::get_context().counts().cache_hits, 1);
    ndb::get_context().clear_cache();  // the slots, and nothing else
    EXPECT_EQ(key.get<Account>()->name, "ada");
  });
  EXPECT_EQ(warm.lookups, 0);
  EXPECT_EQ(warm.memcache_reads, 2);
  EXPECT_EQ(warm.memcache_hits, 2);
  EXPECT_EQ(warm.cache_hits, 1);
}

TEST_F(ContextTest, AbsenceIsKnownInBothCaches) {
  const ndb::Key key = ndb::key<Account>("nobody");
  const ndb::TierCounts cold = in_new_context(client_, [&] {
    EXPECT_FALSE(key.get<Account>());
    EXPECT_FALSE(key.get<Account>());
  });
  EXPECT_EQ(cold.lookups, 1);
  EXPECT_EQ(cold.cache_hits, 1);
  const ndb::TierCounts warm = in_new_context(client_, [&] { EXPECT_FALSE(key.get<Account>()); });
  EXPECT_EQ(warm.lookups, 0);
  EXPECT_EQ(warm.memcache_hits, 1);
  // A put ends it, everywhere.
  store({key});
  in_new_context(client_, [&] { EXPECT_TRUE(key.get<Account>()); });
}

TEST_F(ContextTest, CallsOneByOneAreOneBatchPerTier) {
  const std::vector<ndb::Key> all = keys(100);
  store(all);
  const ndb::TierCounts cold = in_new_context(client_, [&] {
    std::vector<ndb::Future<Account>> futures;
    for (const ndb::Key& key : all) futures.push_back(key.get_async<Account>());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(futures[i].get()->name, *all[i].string_id());
  });
  EXPECT_EQ(cold.memcache_reads, 1);
  EXPECT_EQ(cold.lookups, 1);
  EXPECT_EQ(cold.lookup_keys, 100);
  EXPECT_EQ(cold.memcache_fills, 100);

  const ndb::TierCounts warm = in_new_context(client_, [&] {
    const auto accounts = ndb::get_multi<Account>(all);
    EXPECT_TRUE(std::all_of(accounts.begin(), accounts.end(), [](const Account& a) { return bool(a); }));
  });
  EXPECT_EQ(warm.memcache_reads, 1);
  EXPECT_EQ(warm.memcache_hits, 100);
  EXPECT_EQ(warm.lookups, 0);

  const ndb::TierCounts tasklets = in_new_context(client_, [&] {
    ndb::map(all, [](const ndb::Key& key) { return key.get<Account>({.use_memcache = false})->age; });
  });
  EXPECT_EQ(tasklets.lookups, 1);
  EXPECT_EQ(tasklets.memcache_reads, 0);
}

TEST_F(ContextTest, OnlyRpcOptionsSplitABatch) {
  const std::vector<ndb::Key> all = keys(4);
  store(all);
  const ndb::TierCounts one = in_new_context(client_, [&] {
    const auto a = all[0].get_async<Account>({.use_cache = false});
    const auto b = all[1].get_async<Account>({.use_memcache = false});
    const auto c = all[2].get_async<Account>({.memcache_timeout = 30});
    const auto d = all[3].get_async<Account>();
    ndb::wait_all(a, b, c, d);
  });
  EXPECT_EQ(one.lookups, 1);
  EXPECT_EQ(one.lookup_keys, 4);
  const ndb::TierCounts two = in_new_context(client_, [&] {
    const auto a = all[0].get_async<Account>({.use_memcache = false});
    const auto b = all[1].get_async<Account>({.use_memcache = false, .deadline = std::chrono::seconds(20)});
    ndb::wait_all(a, b);
  });
  EXPECT_EQ(two.lookups, 2);
}

TEST_F(ContextTest, AHitDoesNotWaitForTheMissesOfItsBatch) {
  const std::vector<ndb::Key> all = keys(2);
  store(all);
  in_new_context(client_, [&] { all[1].get<Account>(); });  // memcache has this one
  std::vector<std::string> answered;
  const ndb::TierCounts counts = in_new_context(
      client_, [&] { ndb::map(all, [&](const ndb::Key& key) { answered.push_back(key.get<Account>()->name); }); });
  EXPECT_THAT(answered, ElementsAre("k1", "k0"));
  EXPECT_EQ(counts.memcache_reads, 1);
  EXPECT_EQ(counts.lookup_keys, 1);
}

TEST_F(ContextTest, LookupsAreCutByTheirLimit) {
  const ndb::TierCounts reads = in_new_context(client_, [&] { ndb::get_multi<Account>(keys(1001)); });
  EXPECT_EQ(reads.memcache_reads, 1);
  EXPECT_EQ(reads.lookups, 2);
  EXPECT_EQ(reads.lookup_keys, 1001);

  const ndb::TierCounts none = in_new_context(client_, [&] {
    EXPECT_TRUE(ndb::get_multi<Account>({}).empty());
    ndb::put_multi(std::vector<Account>());
    ndb::delete_multi({});
  });
  EXPECT_EQ(none.memcache_reads + none.lookups + none.memcache_locks + none.commits, 0);
}

TEST_F(ContextTest, ADuplicateIsSentOnceAndSharesItsPayload) {
  const ndb::Key key = ndb::key<Account>("twin");
  store({key});
  const ndb::TierCounts counts = in_new_context(client_, [&] {
    const auto twins = ndb::get_multi<Account>(std::vector{key, key});
    EXPECT_EQ(&twins[0]->name, &twins[1]->name);
    // Concurrent gets with different options end in one payload as well.
    ndb::get_context().clear_cache();
    const auto one = key.get_async<Account>(), two = key.get_async<Account>({.deadline = std::chrono::seconds(9)});
    EXPECT_EQ(&one.get()->name, &two.get()->name);
  });
  EXPECT_EQ(counts.lookup_keys, 1);
}

TEST_F(ContextTest, AnEventualReadNeverFillsMemcache) {
  const ndb::Key key = ndb::key<Account>("e");
  store({key});
  const auto counts =
      in_new_context(client_, [&] { key.get<Account>({.read_consistency = ndb::ReadConsistency::kEventual}); });
  EXPECT_EQ(counts.lookups, 1);
  EXPECT_EQ(counts.memcache_fills, 0);
}

TEST_F(ContextTest, ManyTaskletsMakeOneBatchPerTurn) {
  const std::vector<ndb::Key> all = keys(100);
  store(all);
  std::vector<ndb::Key> related;
  for (int i = 0; i < 100; ++i) related.push_back(ndb::key<Account>("r" + std::to_string(i)));
  store(related);
  const auto counts = in_new_context(client_, [&] {
    const auto names = ndb::map(all, [](const ndb::Key& key) {
      const Account account = key.get<Account>();
      return ndb::key<Account>("r" + account->name.substr(1)).get<Account>()->name;
    });
    EXPECT_EQ(names[42], "r42");
  });
  EXPECT_EQ(counts.lookups, 2);
  EXPECT_EQ(counts.memcache_reads, 2);
}

TEST_F(ContextTest, MaxStalenessBoundsWhatCachesMayAnswer) {
  ndb::testing::FakeClock clock;
  const auto core = ndb::testing::take_core(client());
  core->clock = &clock;
  in_new_context(ndb::detail::ClientAccess::make(core), [&] {
    ndb::Context& context = ndb::get_context();
    const auto lookups = [&](const ndb::Options& options) {
      const auto before = context.counts().lookups;
      EXPECT_EQ(Account::get_by_id("s", options)->name, "S");
      return context.counts().lookups - before;
    };
    using std::chrono::seconds;
    Account::make({.name = "S"}, ndb::id("s")).put();
    EXPECT_EQ(lookups({.max_staleness = seconds(60)}), 0u);  // its own write is as fresh
    context.clear_cache();
    EXPECT_EQ(lookups({}), 1u);
    for (const bool cache : {true, false}) EXPECT_EQ(lookups({.use_cache = cache, .max_staleness = seconds(60)}), 0u);
    clock.advance(seconds(90));
    for (const bool cache : {true, false}) {
      EXPECT_EQ(lookups({.use_cache = cache}), 0u);
      EXPECT_EQ(lookups({.use_cache = cache, .max_staleness = seconds(60)}), 1u);
      EXPECT_EQ(lookups({.use_cache = cache, .max_staleness = seconds(600)}), 0u);
    }
    ndb::transaction([&] {
      Account::get_by_id("s");
      EXPECT_EQ(lookups({.max_staleness = seconds(0)}), 0u);  // one snapshot, however old
    });
    EXPECT_THROW(Account::get_by_id("s", {.max_staleness = seconds(-1)}), ndb::BadArgumentError);
  });
}

TEST_F(ContextTest, KeysMadeOutsideOfAContextWork) {
  const ndb::Key outside("Account", ndb::id("out"));
  EXPECT_EQ(outside.project(), "");
  in_new_context(client_, [&] {
    Account stored = Account::make(outside, {.name = "out"});
    EXPECT_EQ(stored.put().project(), client_.project());
    EXPECT_EQ(outside.get<Account>().key(), Account::get_by_id("out").key());
    EXPECT_EQ(ndb::get_context().counts().lookups, 0);
  });
}

}  // namespace
}  // namespace ndb::testing
