// What a context does with its tiers: who answers a read, what a write leaves behind, how calls are batched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_clock.h"
#include "support/tiers.h"

namespace {

using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    ndb::Timestamp updated{};
    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL(name, age, tags, (updated, .auto_now = true), initial)
};

class Through : public ndb::Model<Through> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _write_through = true;
};

class Uncached : public ndb::Model<Uncached> {  // not in memcache, by contract of its kind
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_memcache = false;
};

std::vector<std::string> hook_calls;
class Hooked : public ndb::Model<Hooked> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static void _pre_get_hook(const ndb::Key& key) { note("pre_get", key); }
  static void _post_get_hook(const ndb::Key& key, const absl::Status& status) { note("post_get", key, status); }
  static void _pre_delete_hook(const ndb::Key& key) { note("pre_delete", key); }
  static void _post_delete_hook(const ndb::Key& key, const absl::Status& status) { note("post_delete", key, status); }
  static void _pre_allocate_ids_hook(int count, const ndb::Key& parent) {
    if (count > 9) throw ndb::BadArgumentError("too many");
    note("pre_allocate_ids " + std::to_string(count), parent);
  }
  static void _post_allocate_ids_hook(int count, const ndb::Key& parent, const absl::Status& status) {
    note("post_allocate_ids " + std::to_string(count), parent, status);
  }
  void _pre_put_hook() {
    edit().n += 1;
    note("pre_put", key());
  }
  void _post_put_hook(const absl::Status& status) const { note("post_put", key(), status); }

 private:
  static void note(std::string what, const ndb::Key& key, const absl::Status& status = absl::OkStatus()) {
    const auto id = key.string_id();
    hook_calls.push_back(std::move(what) + " " + (id ? std::string(*id) : "?") + (status.ok() ? "" : " failed"));
  }
};

class Grumbler : public ndb::Model<Grumbler> {  // its post hooks throw
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static void _post_get_hook(const ndb::Key&, const absl::Status&) { throw std::runtime_error("got"); }
  static void _post_delete_hook(const ndb::Key&, const absl::Status&) { throw std::runtime_error("deleted"); }
  static void _post_allocate_ids_hook(int, const ndb::Key&, const absl::Status&) { throw 5; }
  void _post_put_hook(const absl::Status&) const { throw std::runtime_error("put"); }
};

class ContextTest : public Tiers {
 protected:
  void store(const std::vector<ndb::Key>& keys) {
    in_new_context(client_, [&] {
      std::vector<Account> accounts;
      for (const ndb::Key& key : keys) accounts.push_back(Account::make({.name = std::string(*key.string_id())}, key));
      ndb::put_multi(accounts);
    });
  }
  static std::vector<ndb::Key> keys(int n) {
    std::vector<ndb::Key> keys;
    for (int i = 0; i < n; ++i) keys.push_back(ndb::key<Account>("k" + std::to_string(i)));
    return keys;
  }
  const ndb::Client client_ = client();
};

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

TEST_F(ContextTest, OnlyWhatTheRpcNeedsSplitsABatch) {
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

TEST_F(ContextTest, PutsAreCutIntoCommitsByTheirLimits) {
  const ndb::TierCounts counts = in_new_context(client_, [&] {
    std::vector<Account> accounts;
    for (const ndb::Key& key : keys(501)) accounts.push_back(Account::make({}, key));
    EXPECT_EQ(ndb::put_multi(accounts).size(), 501u);
  });
  EXPECT_EQ(counts.commits, 2);
  EXPECT_EQ(counts.mutations, 501);
  EXPECT_EQ(counts.memcache_locks, 1);

  const ndb::TierCounts large = in_new_context(client_, [&] {
    std::vector<ndb::Entity> entities;  // 12 MB in all, of 1 MB each
    for (int i = 0; i < 12; ++i) {
      entities.push_back(
          ndb::Entity::make("Large", ndb::id(i + 1), {{"text", ndb::Text(std::string(1'000'000, 'x'))}}));
    }
    ndb::put_multi(entities);
  });
  EXPECT_EQ(large.commits, 2);
}

// The manual: an entity that is written disappears from memcache, and the next read fills it again.
TEST_F(ContextTest, AWriteTakesTheEntityOutOfMemcache) {
  const ndb::Key key = ndb::key<Account>("ada");
  store({key});
  const auto read = [&](const ndb::Options& options = {}) {
    std::string name;
    const auto counts = in_new_context(client_, [&] {
      const Account account = key.get<Account>(options);
      name = account ? account->name : "none";
    });
    return name + (counts.memcache_hits > 0 ? " from memcache" : " from the Datastore");
  };
  EXPECT_EQ(read(), "ada from the Datastore");
  EXPECT_EQ(read(), "ada from memcache");

  const std::vector<ndb::Options> ways = {{}, {.use_memcache = false}, {.use_cache = false}};  // writes always protect
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const std::string name = "ada " + std::to_string(i);
    in_new_context(client_, [&] { Account::make({.name = name}, key).put(ways[i]); });
    EXPECT_EQ(read(), name + " from the Datastore");
    EXPECT_EQ(read(), name + " from memcache");
  }
  in_new_context(client_, [&] { key.delete_(); });
  EXPECT_EQ(read(), "none from the Datastore");
  EXPECT_EQ(read(), "none from memcache");
}

TEST_F(ContextTest, AnotherThreadSeesAWriteAtOnce) {
  const ndb::Key key = ndb::key<Account>("shared");
  store({key});
  const auto read_elsewhere = [&] {
    std::int64_t age = -1;
    std::thread([&] { in_new_context(client_, [&] { age = key.get<Account>()->age; }); }).join();
    return age;
  };
  EXPECT_EQ(read_elsewhere(), 0);
  in_new_context(client_, [&] {
    for (std::int64_t age = 1; age <= 20; ++age) {
      Account::make({.name = "shared", .age = age}, key).put();
      EXPECT_EQ(read_elsewhere(), age);
    }
  });
}

TEST_F(ContextTest, WriteThroughLeavesTheNewValueInMemcache) {
  in_new_context(client_, [] { Through::make({.n = 1}, ndb::id("t")).put(); });
  const auto counts = in_new_context(client_, [] { EXPECT_EQ(Through::get_by_id("t")->n, 1); });
  EXPECT_EQ(counts.memcache_hits, 1);
  EXPECT_EQ(counts.lookups, 0);
  // The option of a call beats the class flag, and works without one.
  in_new_context(client_, [] {
    Through::make({.n = 2}, ndb::id("t")).put({.write_through = false});
    Account::make({.name = "w"}, ndb::id("w")).put({.write_through = true});
  });
  EXPECT_EQ(in_new_context(client_, [] { Through::get_by_id("t"); }).memcache_hits, 0);
  EXPECT_EQ(in_new_context(client_, [] { Account::get_by_id("w"); }).memcache_hits, 1);
}

TEST_F(ContextTest, AKindOutsideMemcacheMakesNoCallToIt) {
  const auto counts = in_new_context(client_, [] {
    Uncached::make({.n = 1}, ndb::id("u")).put();
    ndb::get_context().clear_cache();
    EXPECT_EQ(Uncached::get_by_id("u")->n, 1);
  });
  EXPECT_EQ(counts.memcache_reads + counts.memcache_locks + counts.memcache_fills, 0);
  EXPECT_EQ(counts.lookups, 1);
}

TEST_F(ContextTest, ClassicOptionsOfOneCall) {
  const ndb::Key key = ndb::key<Account>("o");
  store({key});
  in_new_context(client_, [&] { key.get<Account>(); });  // memcache has it
  in_new_context(client_, [&] {
    const ndb::TierCounts& counts = ndb::get_context().counts();
    key.get<Account>({.use_cache = false, .use_memcache = false});
    EXPECT_EQ(counts.lookups, 1);
    EXPECT_EQ(counts.memcache_reads, 0);
    EXPECT_EQ(ndb::get_context().cache_size(), 0);
    key.get<Account>({.use_cache = false});
    EXPECT_EQ(counts.memcache_hits, 1);
    EXPECT_EQ(ndb::get_context().cache_size(), 0);
    key.get<Account>({.use_memcache = false, .read_consistency = ndb::ReadConsistency::kEventual});
    EXPECT_EQ(counts.lookups, 2);
    EXPECT_EQ(ndb::get_context().cache_size(), 1);
  });
}

TEST_F(ContextTest, AnEventualReadNeverFillsMemcache) {
  const ndb::Key key = ndb::key<Account>("e");
  store({key});
  const auto counts =
      in_new_context(client_, [&] { key.get<Account>({.read_consistency = ndb::ReadConsistency::kEventual}); });
  EXPECT_EQ(counts.lookups, 1);
  EXPECT_EQ(counts.memcache_fills, 0);
}

// ---- The context cache ----

TEST_F(ContextTest, TheCacheFollowsThePolicyOfTheMoment) {
  const ndb::Key key = ndb::key<Account>("p");
  store({key});
  in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    context.set_cache_policy(false);
    key.get<Account>();
    EXPECT_EQ(context.cache_size(), 0);
    context.set_cache_policy(nullptr);
    key.get<Account>();
    EXPECT_EQ(context.cache_size(), 1);
    // Switched off later, what is there is not seen.
    context.set_cache_policy(false);
    const auto before = context.counts().cache_hits;
    key.get<Account>();
    EXPECT_EQ(context.counts().cache_hits, before);
    // A put past the cache leaves nothing older than itself behind.
    Account::make({.name = "new"}, key).put();
    context.set_cache_policy(true);
    EXPECT_EQ(key.get<Account>()->name, "new");
  });
}

TEST_F(ContextTest, PutAndDeleteLeaveTheirResultInTheCache) {
  const auto counts = in_new_context(client_, [&] {
    Account ada = Account::make({.name = "Ada", .age = 36}, ndb::id("ada"));
    ada.put();
    EXPECT_EQ(Account::get_by_id("ada")->age, 36);
    // Copy on write: a change shows nowhere before it is put, and one made after the put does not reach the cache.
    auto& properties = ada.edit();
    properties.age = 37;
    EXPECT_EQ(Account::get_by_id("ada")->age, 36);
    ada.put();
    properties.age = 99;
    EXPECT_EQ(Account::get_by_id("ada")->age, 37);
    EXPECT_NE(Account::get_by_id("ada")->updated, ndb::Timestamp());
    ada.key().delete_();
    EXPECT_FALSE(Account::get_by_id("ada"));
  });
  EXPECT_EQ(counts.lookups, 0);
  EXPECT_EQ(counts.cache_hits, 5);
}

TEST_F(ContextTest, TheCacheGivesEveryClassItsOwnView) {
  in_new_context(client_, [&] {
    Account::make({.name = "Ada", .age = 36}, ndb::id("ada")).put();
    const ndb::Entity entity = ndb::key<Account>("ada").get<ndb::Entity>();
    EXPECT_EQ(entity["age"].as_int64(), 36);
    EXPECT_EQ(entity["initial"].as_string(), "A");  // computed
    ndb::Entity other = entity;
    other.edit()["age"] = 40;
    other.put();
    EXPECT_EQ(Account::get_by_id("ada")->age, 40);
    EXPECT_EQ(ndb::get_context().counts().lookups, 0);
  });
}

TEST_F(ContextTest, ALimitEvictsTheLeastRecentlyUsed) {
  const std::vector<ndb::Key> all = keys(4);
  store(all);
  in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    context.set_cache_limit(2);
    all[0].get<Account>();
    all[1].get<Account>();
    all[0].get<Account>();
    all[2].get<Account>();  // evicts 1
    EXPECT_EQ(context.cache_size(), 2);
    const auto hits = context.counts().cache_hits;
    all[0].get<Account>();
    EXPECT_EQ(context.counts().cache_hits, hits + 1);
    all[1].get<Account>();
    EXPECT_EQ(context.counts().cache_hits, hits + 1);
    context.set_cache_limit(1000, 1);  // a byte: the newest alone stays
    all[3].get<Account>();
    EXPECT_EQ(context.cache_size(), 1);
    EXPECT_THROW(context.set_cache_limit(0), ndb::BadArgumentError);
  });
}

// ---- Without the Datastore ----

TEST_F(ContextTest, EntitiesWithoutDatastore) {
  const ndb::Options no_datastore{.use_datastore = false};
  const ndb::Key key = ndb::key<Account>("m");
  in_new_context(client_, [&] {
    ndb::get_context().set_datastore_policy(false);
    Account::make({.name = "m"}, key).put();
    EXPECT_EQ(key.get<Account>()->name, "m");
    EXPECT_THROW(Account::make({}).put(), ndb::BadKeyError);  // nothing can complete the key
  });
  auto counts = in_new_context(client_, [&] {
    EXPECT_EQ(key.get<Account>(no_datastore)->name, "m");
    EXPECT_FALSE(key.get<Account>({.use_cache = false}));  // the Datastore has no such entity
  });
  EXPECT_EQ(counts.memcache_hits, 1);
  EXPECT_EQ(counts.commits, 0);
  // A miss is not taken for absence: the next read looks again.
  counts = in_new_context(client_, [&] {
    EXPECT_FALSE(ndb::key<Account>("other").get<Account>(no_datastore));
    EXPECT_FALSE(ndb::key<Account>("other").get<Account>(no_datastore));
  });
  EXPECT_EQ(counts.memcache_reads, 2);
  EXPECT_EQ(counts.lookups, 0);
  // Memcache off too: the context cache alone, and no error.
  const ndb::Options cache_only{.use_memcache = false, .use_datastore = false};
  counts = in_new_context(client_, [&] {
    EXPECT_FALSE(ndb::key<Account>("c").get<Account>(cache_only));
    Account::make({.name = "c"}, ndb::id("c")).put(cache_only);
    EXPECT_EQ(ndb::key<Account>("c").get<Account>(cache_only)->name, "c");
    ndb::key<Account>("c").delete_(cache_only);
    EXPECT_FALSE(ndb::key<Account>("c").get<Account>(cache_only));
  });
  EXPECT_EQ(counts.memcache_reads + counts.lookups + counts.commits, 0);
  in_new_context(client_, [&] {
    key.delete_(no_datastore);
    EXPECT_FALSE(key.get<Account>(no_datastore));
  });
  in_new_context(client_, [&] { EXPECT_FALSE(key.get<Account>(no_datastore)); });
}

// ---- Keys, ids, classes ----

TEST_F(ContextTest, PutCompletesKeys) {
  in_new_context(client_, [&] {
    Account a = Account::make({.name = "a"}), b = Account::make({.name = "b"}, ndb::Id(), ndb::key<Account>("parent"));
    std::vector<Account> both = {a, b};
    const auto keys = ndb::put_multi(both);
    EXPECT_TRUE(keys[0].is_complete());
    EXPECT_EQ(both[0].key(), keys[0]);
    EXPECT_EQ(keys[1].parent(), ndb::key<Account>("parent"));
    ndb::get_context().clear_cache();
    EXPECT_EQ(keys[0].get<Account>()->name, "a");
    EXPECT_EQ(keys[1].get<Account>()->name, "b");
    const auto reserved = Account::allocate_ids(3);
    EXPECT_EQ(reserved.size(), 3u);
    EXPECT_NE(reserved[0], reserved[1]);
    EXPECT_TRUE(reserved[2].is_complete());
    EXPECT_THROW(Account::allocate_ids(-1), ndb::BadArgumentError);
  });
}

TEST_F(ContextTest, GetOrInsertInsertsOnce) {
  in_new_context(client_, [&] {
    EXPECT_EQ(Account::get_or_insert("x", {.name = "first"})->name, "first");
    EXPECT_EQ(Account::get_or_insert("x", {.name = "second"})->name, "first");
  });
  in_new_context(client_, [&] { EXPECT_EQ(Account::get_or_insert("x", {.name = "third"})->name, "first"); });
  in_new_context(client_, [&] {  // two at once: both find nothing, and one inserts
    const auto one = Account::get_or_insert_async("y", {.name = "one"});
    const auto two = Account::get_or_insert_async("y", {.name = "two"});
    EXPECT_EQ(one.get()->name, two.get()->name);
    EXPECT_EQ(Account::get_or_insert_async("z", ndb::key<Account>("y"), {.name = "child"}).get().key().parent(),
              one.get().key());
  });
}

TEST_F(ContextTest, KeysMadeOutsideOfAContextWork) {
  const ndb::Key outside("Account", ndb::id("out"));
  EXPECT_EQ(outside.project(), "");
  in_new_context(client_, [&] {
    Account stored = Account::make({.name = "out"}, outside);
    EXPECT_EQ(stored.put().project(), client_.project());
    EXPECT_EQ(outside.get<Account>().key(), Account::get_by_id("out").key());
    EXPECT_EQ(ndb::get_context().counts().lookups, 0);
  });
}

TEST_F(ContextTest, HooksRunAroundEveryCall) {
  hook_calls.clear();
  in_new_context(client_, [&] {
    Hooked hooked = Hooked::make({.n = 1}, ndb::id("h"));
    hooked.put();
    EXPECT_EQ(hooked->n, 2);
    EXPECT_EQ(Hooked::get_by_id("h")->n, 2);                          // a context hit runs them too
    hooked.key().get_async<ndb::Entity>({.use_cache = false}).get();  // the class of the key's kind has the hooks
    hooked.key().delete_();
    EXPECT_THAT(Hooked::get_by_id_async("h", {.retries = -1}).try_get().status().code(),
                absl::StatusCode::kInvalidArgument);
  });
  EXPECT_THAT(hook_calls, ElementsAre("pre_put h", "post_put h", "pre_get h", "post_get h", "pre_get h", "post_get h",
                                      "pre_delete h", "post_delete h"));
}

TEST_F(ContextTest, HooksRunAroundAllocateIds) {
  hook_calls.clear();
  const ndb::Key parent = ndb::key<Hooked>("p");
  in_new_context(client_, [&] {
    EXPECT_EQ(Hooked::allocate_ids(2).size(), 2u);
    EXPECT_EQ(Hooked::allocate_ids_async(1, parent).get()[0].parent().string_id(), "p");
    EXPECT_THROW(Hooked::allocate_ids(-1), ndb::BadArgumentError);  // refused before any hook
    EXPECT_THROW(Hooked::allocate_ids(10), ndb::BadArgumentError);  // by the hook
    Hooked::make({}).put();                                         // not a call of allocate_ids
    EXPECT_THROW(Hooked::allocate_ids(1, parent.in_partition({.project = "other"})), ndb::Error);
  });
  EXPECT_THAT(hook_calls, ElementsAre("pre_allocate_ids 2 ?", "post_allocate_ids 2 ?", "pre_allocate_ids 1 p",
                                      "post_allocate_ids 1 p", "pre_put ?", "post_put ?", "pre_allocate_ids 1 p",
                                      "post_allocate_ids 1 p failed"));
}

// What was done stays done, and the rest of the batch gets its results.
TEST_F(ContextTest, APostHookThatThrowsIsLogged) {
  std::vector<std::string> logged;
  ndb::set_log_sink([&](ndb::Severity, std::string_view message) { logged.emplace_back(message); });
  in_new_context(client_, [&] {
    const std::vector<ndb::Key> two{ndb::key<Grumbler>("a"), ndb::key<Grumbler>("b")};
    std::vector<Grumbler> grumblers{Grumbler::make({.n = 1}, two[0]), Grumbler::make({.n = 2}, two[1])};
    ndb::put_multi(grumblers);
    ndb::get_context().clear_cache();
    EXPECT_EQ(ndb::get_multi<Grumbler>(two)[1]->n, 2);
    EXPECT_EQ(Grumbler::get_by_id("a")->n, 1);
    ndb::delete_multi(two);
    EXPECT_EQ(Grumbler::allocate_ids(1).size(), 1u);
  });
  ndb::set_log_sink(nullptr);
  ASSERT_EQ(logged.size(), 8u);
  EXPECT_THAT(logged[0], HasSubstr("_post_put_hook of Key('Grumbler', 'a'"));
  EXPECT_THAT(logged[0], HasSubstr("failed: put"));
  EXPECT_THAT(logged[7], HasSubstr("_post_allocate_ids_hook of Key('Grumbler', None"));
}

TEST_F(ContextTest, BadCallsSayWhatIsWrong) {
  in_new_context(client_, [&] {
    ndb::Entity::make("Account", ndb::id("wrong"), {{"name", 7}}).put();
    ndb::get_context().clear_cache();
    struct Row {
      std::function<void()> call;
      std::vector<std::string> says;
    };
    const std::vector<Row> rows = {
        {[] { Account::get_by_id("wrong"); }, {"Account", "name", "string", "wrong"}},
        {[] { ndb::key<Through>("x").get<Account>(); }, {"Through", "Account"}},
        {[] { ndb::Key("Account", ndb::Id()).get<Account>(); }, {"Account", "incomplete"}},
        {[] { ndb::Key("Account", ndb::Id()).delete_(); }, {"Account", "incomplete"}},
        {[] { ndb::Key().get<Account>(); }, {"key"}},
        {[] { Account().put(); }, {"empty handle"}},
        {[] { Account::make({.name = std::string(1501, 'x')}, ndb::id("long")).put(); }, {"Account", "name", "1500"}},
        {[] {
           ndb::Entity::make("Big", ndb::id("big"),
                             {{"a", ndb::Text(std::string(600'000, 'x'))}, {"b", ndb::Text(std::string(600'000, 'x'))}})
               .put();
         },
         {"Big"}},
        {[] { ndb::Entity::make("Other", ndb::id("o"), {{"__x__", 1}}).put(); }, {"__x__"}},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(i);
      try {
        rows[i].call();
        ADD_FAILURE() << "no error";
      } catch (const ndb::Error& error) {
        for (const std::string& word : rows[i].says) EXPECT_THAT(error.what(), HasSubstr(word));
      }
    }
    EXPECT_EQ(ndb::get_context().counts().commits, 1);  // the first one's; nothing else was sent
  });
}

// ---- Contexts and threads ----

TEST_F(ContextTest, ContextsBelongToTheirThread) {
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
  EXPECT_THROW(ndb::key<Account>("x").get<Account>(), ndb::ContextError);
  {
    const auto scope = client_.context();
    EXPECT_THROW((void)client_.context(), ndb::ContextError);
    ndb::Context& mine = ndb::get_context();
    std::thread([&] {
      EXPECT_THROW(mine.clear_cache(), ndb::ContextError);
      EXPECT_THROW(mine.memcache_get("x"), ndb::ContextError);
      EXPECT_THROW(ndb::get_context(), ndb::ContextError);
    }).join();
  }
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
}

TEST_F(ContextTest, AScopeSendsWhatIsPending) {
  {
    const auto scope = client_.context();
    (void)Account::make({.name = "late"}, ndb::id("late")).put_async();
  }
  in_new_context(client_, [] { EXPECT_TRUE(Account::get_by_id("late")); });
  // An error that no future can tell is thrown by close(), and by flush().
  auto scope = client_.context();
  (void)ndb::Entity::make("Other", ndb::id("o"), {{"x", 1}}).put_async({.retries = -1});
  EXPECT_THROW(scope.close(), ndb::BadArgumentError);
  // The destructor cannot throw it.
  std::vector<std::string> logged;
  ndb::set_log_sink([&](ndb::Severity, std::string_view message) { logged.emplace_back(message); });
  {
    const auto left = client_.context();
    (void)ndb::Entity::make("Other", ndb::id("o"), {{"x", 1}}).put_async({.retries = -1});
  }
  ndb::set_log_sink(nullptr);
  EXPECT_THAT(logged, ElementsAre(HasSubstr("retries")));
}

TEST_F(ContextTest, TheDefaultClientServesThreadsWithoutScope) {
  ndb::set_default_client(client_);
  std::thread([] {
    Account::make({.name = "d"}, ndb::id("d")).put();
    const ndb::TierCounts& counts = ndb::get_context().counts();
    EXPECT_EQ(Account::get_by_id("d")->name, "d");
    EXPECT_EQ(Account::get_by_id("d")->name, "d");
    EXPECT_EQ(counts.cache_hits, 0);  // emptied when each call ended
    EXPECT_EQ(ndb::transaction([] {
                Account::get_by_id("d");
                return Account::get_by_id("d")->name;
              }),
              "d");
    EXPECT_EQ(counts.cache_hits, 1);  // a transaction's context is its own
    EXPECT_EQ(ndb::tasklet([] { return Account::get_by_id("d")->name; }).get(), "d");
  }).join();
  ndb::set_default_client(std::nullopt);
  std::thread([] { EXPECT_THROW(ndb::get_context(), ndb::ContextError); }).join();
}

// ---- Raw memcache ----

TEST_F(ContextTest, RawMemcache) {
  in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    const std::string key = "raw " + client_.project();  // a key that memcached itself would refuse
    EXPECT_EQ(context.memcache_get(key), std::nullopt);
    EXPECT_FALSE(context.memcache_replace(key, "v"));
    EXPECT_TRUE(context.memcache_add(key, "v1"));
    EXPECT_FALSE(context.memcache_add(key, "v2"));
    EXPECT_TRUE(context.memcache_set(key, "v2", 100));
    const auto item = context.memcache_gets(key);
    ASSERT_TRUE(item);
    EXPECT_EQ(item->value, "v2");
    EXPECT_TRUE(context.memcache_cas(key, "v3", item->token));
    EXPECT_FALSE(context.memcache_cas(key, "v4", item->token));
    EXPECT_EQ(context.memcache_get(key), "v3");
    EXPECT_TRUE(context.memcache_delete(key));
    EXPECT_FALSE(context.memcache_delete(key));
    EXPECT_EQ(context.memcache_incr(key), std::nullopt);
    EXPECT_EQ(context.memcache_incr(key, 2, 40), 42);
    EXPECT_EQ(context.memcache_incr(key, 2), 44);
    EXPECT_EQ(context.memcache_decr(key, 50), 0);
    EXPECT_THROW(context.memcache_set(key, "v", -1), ndb::BadValueError);
    // Many gets are one command.
    const auto before = memcached().stat("cmd_get");
    auto one = context.memcache_get_async("a"), two = context.memcache_get_async("b");
    EXPECT_EQ(one.get(), std::nullopt);
    EXPECT_EQ(two.get(), std::nullopt);
    EXPECT_EQ(memcached().stat("cmd_get"), before + 2);
  });
  // Without memcached they miss.
  ndb::ClientOptions none = options();
  none.memcached_hosts = std::vector<std::string>();
  in_new_context(ndb::Client(none), [] {
    EXPECT_FALSE(ndb::get_context().memcache_set("k", "v"));
    EXPECT_EQ(ndb::get_context().memcache_get("k"), std::nullopt);
  });
}

TEST_F(ContextTest, InvalidateMakesEveryTierReadAgain) {
  const ndb::Key key = ndb::key<Account>("i");
  store({key});
  in_new_context(client_, [&] {
    key.get<Account>();
    ndb::get_context().invalidate(key);
    key.get<Account>();
    EXPECT_EQ(ndb::get_context().counts().lookups, 2);
    EXPECT_THROW(ndb::get_context().invalidate(ndb::Key("Account", ndb::Id())), ndb::BadKeyError);
  });
}

TEST_F(ContextTest, WithoutMemcachedEverythingWorks) {
  ndb::ClientOptions none = options();
  none.memcached_hosts = std::vector<std::string>();
  const auto counts = in_new_context(ndb::Client(none), [&] {
    Account::make({.name = "n"}, ndb::id("n")).put();
    ndb::get_context().clear_cache();
    EXPECT_EQ(Account::get_by_id("n")->name, "n");
    EXPECT_THROW(Account::get_by_id("n", {.use_cache = false, .use_datastore = false}), ndb::BadArgumentError);
  });
  EXPECT_EQ(counts.memcache_reads + counts.memcache_locks, 0);
}

// ---- Tasklets ----

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

TEST_F(ContextTest, PutIfWritesOnlyOverTheVersionItIsTold) {
  const ndb::Client here = client();
  in_new_context(here, [&] {
    Account ada = Account::make({.name = "Ada"}, ndb::id("v"));
    EXPECT_EQ(ndb::version_of(ada), 0u);
    ada.put_if(0);  // there must be none
    const std::uint64_t first = ndb::version_of(ada);
    EXPECT_GT(first, 0u);
    EXPECT_THROW(Account::make({.name = "other"}, ndb::id("v")).put_if(0), ndb::ConflictError);

    // Read anew by whatever tier: the version comes along; editing keeps it.
    for (const bool cache : {true, false}) {
      for (const bool memcache : {true, true, false}) {
        EXPECT_EQ(ndb::version_of(Account::get_by_id("v", {.use_cache = cache, .use_memcache = memcache})), first);
      }
    }
    EXPECT_EQ(ndb::version_of(Account::query(Account::name == "Ada").fetch()[0]), first);
    ada.edit().name = "Ada L";
    EXPECT_EQ(ndb::version_of(ada), first);
    ada.put_if(ndb::version_of(ada));
    EXPECT_GT(ndb::version_of(ada), first);
    ada.edit().name = "Ada Lovelace";
    ada.put_if(ndb::version_of(ada));

    // Somebody else was faster: nothing is written, and no cache shows what was before.
    std::thread([&] { in_new_context(here, [] { Account::make({.name = "theirs"}, ndb::id("v")).put(); }); }).join();
    ada.edit().name = "mine";
    try {
      ada.put_if(ndb::version_of(ada));
      ADD_FAILURE();
    } catch (const ndb::ConflictError& error) {
      EXPECT_THAT(error.what(), HasSubstr("put_if of Key('Account', 'v'"));
      EXPECT_THAT(error.what(), HasSubstr("not written"));
    }
    EXPECT_EQ(Account::get_by_id("v")->name, "theirs");
    ada.key().delete_();
    EXPECT_THROW(ada.put_if(ndb::version_of(ada)), ndb::ConflictError);
    EXPECT_FALSE(Account::get_by_id("v"));

    EXPECT_THROW(ada.put_if(1, {.use_datastore = false}), ndb::BadArgumentError);
    EXPECT_THROW(Account::make({.name = "new"}).put_if(0), ndb::BadKeyError);
    EXPECT_THROW(ndb::transaction([&] { ada.put_if(0); }), ndb::BadRequestError);
  });
  in_new_context(here, [] { EXPECT_FALSE(Account::get_by_id("v")); });
}

// Of a batch only the puts that met a conflict fail.
TEST_F(ContextTest, AConflictLeavesTheRestOfTheBatch) {
  const ndb::Client here = client();
  const auto counts = in_new_context(here, [] {
    const auto other = Account::make({.name = "b"}, ndb::id("b")).put_async();
    EXPECT_THROW(Account::make({.name = "a"}, ndb::id("a")).put_if(5), ndb::ConflictError);
    EXPECT_EQ(other.get().string_id(), "b");
  });
  EXPECT_EQ(counts.commits, 1u);
  in_new_context(here, [] {
    EXPECT_FALSE(Account::get_by_id("a"));
    EXPECT_EQ(Account::get_by_id("b")->name, "b");
  });
}

TEST_F(ContextTest, MaxStalenessBoundsWhatCachesMayAnswer) {
  ndb::testing::FakeClock clock;
  const auto core = ndb::testing::take_core(client());
  core->clock = &clock;
  in_new_context(ndb::Client(core), [&] {
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

// What memcache has answered is locked without looking at it again, also by a transaction.
TEST_F(ContextTest, APutOfWhatMemcacheAnsweredTakesTwoRoundTrips) {
  const ndb::Client here = client();
  const auto trips = [&] { return here.memcache_stats().round_trips; };
  for (const bool transaction : {false, true}) {
    SCOPED_TRACE(transaction);
    in_new_context(here, [] { Account::make({.name = "t"}, ndb::id("t")).put(); });
    in_new_context(here, [] { Account::get_by_id("t"); });
    in_new_context(here, [&] {
      Account account = Account::get_by_id("t");
      EXPECT_EQ(ndb::get_context().counts().memcache_hits, 1u);
      account.edit().name = "u";
      const auto before = trips();
      if (transaction) {
        ndb::transaction([&] { account.put(); });
      } else {
        account.put();
      }
      EXPECT_EQ(trips() - before, 2u);
      account.put();  // not known any more: its own write has left another record
      EXPECT_EQ(trips() - before, 5u);
      EXPECT_EQ(Account::get_by_id("t", {.use_cache = false})->name, "u");
    });
  }
}

}  // namespace
