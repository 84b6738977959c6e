// Contexts of other namespaces and databases: everything that a context does stays where the context works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;

// The default place, and others that differ in one or both of its parts.
const std::vector<ContextOptions>& places() {
  static const std::vector<ContextOptions> kPlaces = {{},
                                                      {.namespace_ = "tenant-7"},
                                                      {.database = "other"},
                                                      {.namespace_ = "tenant-7", .database = "other"},
                                                      {.namespace_ = "tenant-8"}};
  return kPlaces;
}

std::string name_of(const ContextOptions& place) {
  return place.database.value_or("-") + "/" + place.namespace_.value_or("-");
}

// Notes the database of every request.
class DatabaseStub final : public ForwardingStub {
 public:
  using ForwardingStub::ForwardingStub;
  std::set<std::pair<std::string, std::string>> seen;  // RPC and database
#define NDB_NOTE(function, Name, idempotent)                                        \
  void function(wire::Name##Request request, const datastore::CallOptions& options, \
                datastore::Done<wire::Name##Response> done) override {              \
    seen.emplace(#Name, request.database_id());                                     \
    ForwardingStub::function(std::move(request), options, std::move(done));         \
  }
  NDB_DATASTORE_RPCS(NDB_NOTE)
#undef NDB_NOTE
};

class TenantsTest : public ContextTest {
 protected:
  // The names of accounts that a query in the current context finds, which no cache can answer.
  static std::vector<std::string> stored() {
    std::vector<std::string> names;
    for (const Account& account : Account::query().fetch()) names.push_back(account->name);
    std::ranges::sort(names);
    return names;
  }

  static void expect_here(const Key& key, const ContextOptions& place) {
    EXPECT_EQ(key.namespace_(), place.namespace_.value_or("")) << key;
    EXPECT_EQ(key.database(), place.database.value_or("")) << key;
  }
};

TEST_F(TenantsTest, EveryCallWorksWhereItsContextDoes) {
  for (const ContextOptions& place : places()) {
    SCOPED_TRACE(name_of(place));
    const std::string me = name_of(place);
    const auto scope = client_.context(place);
    EXPECT_EQ(scope->namespace_(), place.namespace_.value_or(""));
    EXPECT_EQ(scope->database(), place.database.value_or(""));
    expect_here(Account::make({.name = me}, ndb::id("put")).put(), place);
    expect_here(Account::make({.name = me}).put(), place);
    expect_here(Account::get_or_insert("inserted", {.name = me}).key(), place);
    expect_here(Account::allocate_ids(1).front(), place);
    expect_here(ndb::key<Account>("x"), place);
    expect_here(Key::from_urlsafe(ndb::key<Account>("x").urlsafe()), place);
    expect_here(ndb::Entity::make("Account", ndb::id("entity"), {{"name", me}}).put(), place);
    expect_here(Account::make({.name = me}, ndb::id("child"), ndb::key<Account>("put")).put(), place);
    ndb::transaction([&] {
      EXPECT_EQ(ndb::get_context().namespace_(), place.namespace_.value_or(""));
      expect_here(Account::make({.name = me}, ndb::id("in transaction")).put(), place);
      expect_here(Account::make({.name = me}).put(), place);
    });
    ndb::tasklet([&] { expect_here(Account::make({.name = me}, ndb::id("in tasklet")).put(), place); }).get();
  }
  for (const ContextOptions& place : places()) {
    SCOPED_TRACE(name_of(place));
    const std::string me = name_of(place);
    const auto scope = client_.context(place);
    const std::vector<std::string> mine(8, me);
    EXPECT_EQ(stored(), mine);
    EXPECT_EQ(Account::query().count(), 8u);
    EXPECT_EQ(Account::gql("WHERE name = @1", me).fetch().size(), 8u);
    EXPECT_EQ(Account::query().ancestor(ndb::key<Account>("put")).count(), 2u);
    for (const char* id : {"put", "inserted", "entity", "in transaction", "in tasklet"}) {
      for (const bool memcache : {true, false}) {
        const Account found = Account::get_by_id(id, {.use_cache = false, .use_memcache = memcache});
        EXPECT_EQ(found->name, me) << id;
        expect_here(found.key(), place);
      }
    }
    EXPECT_EQ(ndb::transaction([] { return Account::get_by_id("put")->name; }), me);
    EXPECT_EQ(ndb::transaction([] { return Account::query().ancestor(ndb::key<Account>("put")).fetch().size(); }), 2u);
    for (const Key& key : Account::query().keys()) {
      expect_here(key, place);
      key.delete_();
    }
    EXPECT_THAT(stored(), ElementsAre());
  }
}

// One RPC after another; a request without a database would go to the default one, and be answered.
TEST_F(TenantsTest, EveryRequestNamesTheDatabase) {
  for (const std::string database : {"", "other"}) {
    const Client source = client();
    const std::shared_ptr<Client::Core> core = take_core(source);
    auto stub = std::make_unique<DatabaseStub>(std::move(core->stub));
    const auto& seen = stub->seen;
    core->stub = std::move(stub);
    const Client noted = detail::ClientAccess::make(core);
    {
      const auto scope = noted.context({.database = database});
      Account::make({.name = "a"}, ndb::id("a")).put();
      ndb::key<Account>("b").get<Account>();
      Account::query().fetch();
      Account::query().count();
      Account::allocate_ids(1);
      ndb::transaction([] { throw ndb::Rollback("on purpose"); });
    }
    std::set<std::pair<std::string, std::string>> expected;
    for (const char* rpc :
         {"Lookup", "RunQuery", "RunAggregationQuery", "BeginTransaction", "Commit", "Rollback", "AllocateIds"}) {
      expected.emplace(rpc, database);
    }
    EXPECT_EQ(seen, expected);
  }
}

TEST_F(TenantsTest, AClientOfADatabaseHasContextsOfTheDefaultOne) {
  ClientOptions options = this->options();
  options.database = "other";
  options.namespace_ = "eu";
  const Client other(options);
  in_new_context(other, [] { Account::make({.name = "there"}, ndb::id("a")).put(); });
  {
    const auto scope = other.context({.namespace_ = "", .database = ""});
    EXPECT_FALSE(Account::get_by_id("a"));
    expect_here(Account::make({.name = "here"}, ndb::id("a")).put(), {});
  }
  in_new_context(client_, [] { EXPECT_EQ(Account::get_by_id("a")->name, "here"); });
  const auto scope = client_.context({.namespace_ = "eu", .database = "other"});
  EXPECT_EQ(Account::get_by_id("a")->name, "there");
}

TEST_F(TenantsTest, AKeyKeepsItsNamespace) {
  Key of_seven;
  {
    const auto scope = client_.context({.namespace_ = "tenant-7"});
    of_seven = Account::make({.name = "seven"}, ndb::id("a")).put();
  }
  const auto scope = client_.context({.namespace_ = "tenant-8"});
  EXPECT_FALSE(Account::get_by_id("a"));
  EXPECT_EQ(of_seven.get<Account>()->name, "seven");
  EXPECT_EQ(Account::query().in_namespace("tenant-7").fetch().size(), 1u);
  EXPECT_EQ(Account::query().ancestor(of_seven).fetch().size(), 1u);
}

TEST_F(TenantsTest, AKeyOfAnotherDatabaseIsRefused) {
  const Key elsewhere("Account", ndb::id("a"), {.project = project(), .database = "other", .namespace_ = ""});
  const auto scope = client_.context();
  const auto refused = [&](const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "not refused";
    } catch (const ndb::BadKeyError& error) {
      EXPECT_THAT(error.what(), HasSubstr("open a scope with client.context({.database = \"other\"})"));
    }
  };
  refused([&] { elsewhere.get<Account>(); });
  refused([&] { elsewhere.delete_(); });
  refused([&] { Account::make(elsewhere, {.name = "a"}).put(); });
  refused([&] { Account::query().ancestor(elsewhere).fetch(); });
  refused([&] { Account::query().ancestor(elsewhere).count(); });
  refused([&] { ndb::transaction([&] { elsewhere.get<Account>(); }); });
  EXPECT_EQ(scope->counts().lookups, 0u);
  // It may be the value of a property, and what is in memcache only has no database to be in.
  ndb::Entity::make("Refers", ndb::id("r"), {{"to", elsewhere}}).put();
  Account::make(elsewhere, {.name = "cached"}).put({.use_datastore = false});
  EXPECT_EQ(elsewhere.get<Account>({.use_cache = false, .use_datastore = false})->name, "cached");
}

TEST_F(TenantsTest, BadOptionsAreRefused) {
  const std::pair<ContextOptions, const char*> cases[] = {
      {{.namespace_ = "a b"}, "the namespace \"a b\" has other characters"},
      {{.namespace_ = std::string(101, 'n')}, "has more than 100 bytes"},
      {{.database = std::string(101, 'd')}, "has more than 100 bytes"},
      {{.database = "\xff"}, "is not UTF-8"},
      {{.cache_entries = 0}, "cache_entries and cache_bytes must be more than 0"},
      {{.cache_bytes = 0}, "cache_entries and cache_bytes must be more than 0"},
  };
  for (const auto& [options, message] : cases) {
    try {
      (void)client_.context(options);
      ADD_FAILURE() << "not refused: " << message;
    } catch (const ndb::BadArgumentError& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
    EXPECT_THROW(ndb::get_context(), ndb::ContextError);
  }
  ClientOptions options = this->options();
  options.namespace_ = "a b";
  EXPECT_THROW(Client{options}, ndb::BadArgumentError);
  options = this->options();
  options.cache_entries = 0;
  EXPECT_THROW(Client{options}, ndb::BadArgumentError);
}

TEST_F(TenantsTest, ContextsHaveTheirOwnBoundsOfTheCache) {
  ClientOptions options = this->options();
  options.cache_entries = 3;
  const Client bounded(options);
  store(keys(5));
  const auto cached = [this](const ContextScope& scope) {
    for (const Key& key : keys(5)) key.get<Account>();
    return scope->cache_size();
  };
  EXPECT_THAT(cached(client_.context()), Eq(5u));
  EXPECT_THAT(cached(client_.context({.cache_entries = 2})), Eq(2u));
  EXPECT_THAT(cached(bounded.context()), Eq(3u));
  EXPECT_THAT(cached(bounded.context({.cache_entries = 4})), Eq(4u));
  EXPECT_THAT(cached(bounded.context({.cache_bytes = 1})), Eq(1u)) << "the last one stays";
  const auto scope = client_.context({.cache_entries = 2});
  ndb::transaction([&] {
    for (const Key& key : keys(5)) key.get<Account>();
    EXPECT_EQ(ndb::get_context().cache_size(), 2u);
  });
}

}  // namespace
}  // namespace ndb::testing
