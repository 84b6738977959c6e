// The context's own cache: what fills it, what it evicts, and what it shows to whom.
#include <gtest/gtest.h>

#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

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
    // If it is switched off later, its entries are not used.
    context.set_cache_policy(false);
    const auto before = context.counts().cache_hits;
    key.get<Account>();
    EXPECT_EQ(context.counts().cache_hits, before);
    // A put past the cache leaves no older entity in it.
    Account::make(key, {.name = "new"}).put();
    context.set_cache_policy(true);
    EXPECT_EQ(key.get<Account>()->name, "new");
  });
}

TEST_F(ContextTest, PutAndDeleteLeaveTheirResultInTheCache) {
  const auto counts = in_new_context(client_, [&] {
    Account ada = Account::make({.name = "Ada", .age = 36}, ndb::id("ada"));
    ada.put();
    EXPECT_EQ(Account::get_by_id("ada")->age, 36);
    // Copy on write: a change is visible nowhere before it is put, and a change after the put does not reach the cache.
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
    context.set_cache_limit(1000, 1);  // one byte: only the newest stays
    all[3].get<Account>();
    EXPECT_EQ(context.cache_size(), 1);
    EXPECT_THROW(context.set_cache_limit(0), ndb::BadArgumentError);
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

}  // namespace
}  // namespace ndb::testing
