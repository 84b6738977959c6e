// What a write leaves behind in each tier, and which writes are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

class Uncached : public ndb::Model<Uncached> {  // not in memcache, by contract of its kind
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_memcache = false;
};

TEST_F(ContextTest, PutsAreCutIntoCommitsByTheirLimits) {
  const ndb::TierCounts counts = in_new_context(client_, [&] {
    std::vector<Account> accounts;
    for (const ndb::Key& key : keys(501)) accounts.push_back(Account::make(key, {}));
    EXPECT_EQ(ndb::put_multi(accounts).size(), 501u);
  });
  EXPECT_EQ(counts.commits, 2);
  EXPECT_EQ(counts.mutations, 501);
  EXPECT_EQ(counts.memcache_locks, 2);

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
    in_new_context(client_, [&] { Account::make(key, {.name = name}).put(ways[i]); });
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
      Account::make(key, {.name = "shared", .age = age}).put();
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

TEST_F(ContextTest, PutIfWritesOnlyOverTheVersionItIsTold) {
  const ndb::Client here = client();
  in_new_context(here, [&] {
    Account ada = Account::make({.name = "Ada"}, ndb::id("v"));
    EXPECT_EQ(ndb::version_of(ada), 0u);
    ada.put_if(0);  // there must be none
    const std::uint64_t first = ndb::version_of(ada);
    EXPECT_GT(first, 0u);
    EXPECT_THROW(Account::make({.name = "other"}, ndb::id("v")).put_if(0), ndb::ConflictError);

    // A read from any tier brings the version along, and editing keeps it.
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

    // Another program was faster: nothing is written, and no cache shows the earlier version.
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

// In a batch only the puts with a conflict fail.
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

// A record that memcache has served is locked without reading it again, also by a transaction.
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
}  // namespace ndb::testing
