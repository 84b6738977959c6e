// Contexts with fewer tiers: without the Datastore, without memcached; and raw memcache items.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

TEST_F(ContextTest, EntitiesWithoutDatastore) {
  const ndb::Options no_datastore{.use_datastore = false};
  const ndb::Key key = ndb::key<Account>("m");
  in_new_context(client_, [&] {
    ndb::get_context().set_datastore_policy(false);
    Account::make(key, {.name = "m"}).put();
    EXPECT_EQ(key.get<Account>()->name, "m");
    EXPECT_THROW(Account::make({}).put(), ndb::BadKeyError);  // nothing can complete the key
  });
  auto counts = in_new_context(client_, [&] {
    EXPECT_EQ(key.get<Account>(no_datastore)->name, "m");
    EXPECT_FALSE(key.get<Account>({.use_cache = false}));  // the Datastore has no such entity
  });
  EXPECT_EQ(counts.memcache_hits, 1);
  EXPECT_EQ(counts.commits, 0);
  // A miss does not prove absence: the next read asks again.
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

}  // namespace
}  // namespace ndb::testing
