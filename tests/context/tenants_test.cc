// Contexts of other namespaces and databases: everything that a context does stays where the context works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context/consistency_probe.h"
#include "context/context_fixture.h"
#include "support/fake_clock.h"

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

  static void in_context(const Client& client, const ContextOptions& place, const std::function<void()>& body) {
    const auto scope = client.context(place);
    body();
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
  const auto cached = [](const ContextScope& scope) {
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

TEST_F(TenantsTest, RawItemsBelongToTheirNamespaceAndDatabase) {
  const std::string name = "greeting of " + project();
  const auto each = [&](const std::function<void(Context&, const std::string&)>& body) {
    for (const ContextOptions& place : places()) {
      SCOPED_TRACE(name_of(place));
      const auto scope = client_.context(place);
      body(*scope, name_of(place));
    }
  };
  each([&](Context& context, const std::string&) { EXPECT_EQ(context.memcache_get(name), std::nullopt); });
  each([&](Context& context, const std::string& me) { EXPECT_TRUE(context.memcache_add(name, me)); });
  each([&](Context& context, const std::string& me) {
    const auto item = context.memcache_gets(name);
    ASSERT_TRUE(item);
    EXPECT_EQ(item->value, me);
    EXPECT_TRUE(context.memcache_cas(name, me + "!", item->token));
    EXPECT_EQ(context.memcache_incr(name + " visits", 1, 0), 1u);
    EXPECT_TRUE(context.memcache_replace(name, me + "?"));
  });
  each([&](Context& context, const std::string& me) {
    EXPECT_EQ(context.memcache_get(name), me + "?");
    EXPECT_TRUE(context.memcache_delete(name));
  });
  each([&](Context& context, const std::string&) { EXPECT_EQ(context.memcache_get(name), std::nullopt); });
}

// No name of one tenant can be written so that it is that of another.
TEST_F(TenantsTest, NoNameOfAnItemReachesIntoAnotherNamespace) {
  const std::string name = "secret of " + project();
  {
    const auto scope = client_.context({.namespace_ = "tenant-7"});
    scope->memcache_set(name, "seven");
  }
  const auto scope = client_.context();
  for (const std::string guess : {"@/tenant-7:", "@/:@/tenant-7:", "@", "@:", "/tenant-7:", "tenant-7:"}) {
    EXPECT_EQ(scope->memcache_get(guess + name), std::nullopt) << guess;
    scope->memcache_set(guess + name, guess);
  }
  for (const std::string guess : {"@/tenant-7:", "@/:@/tenant-7:", "@", "@:", "/tenant-7:", "tenant-7:"}) {
    EXPECT_EQ(scope->memcache_get(guess + name), guess);
  }
  const auto seven = client_.context({.namespace_ = "tenant-7"});
  EXPECT_EQ(seven->memcache_get(name), "seven");
  EXPECT_EQ(seven->memcache_get("@/:" + name), std::nullopt);
}

TEST_F(TenantsTest, ValuesOfASharedCacheBelongToTheirNamespaceAndDatabase) {
  for (const auto max_staleness : {std::chrono::milliseconds(0), std::chrono::milliseconds(3'600'000)}) {
    SharedCache<std::string> names(client_, {.name = "names-" + project(), .max_staleness = max_staleness});
    int calls = 0;
    const auto get = [&](const std::string& key) {
      return *names.get(key, [&](const std::string& asked) {
        EXPECT_EQ(asked, key) << "the provider sees no more than the name";
        ++calls;
        return Account::get_by_id("a")->name;
      });
    };
    for (const ContextOptions& place : places()) {
      const auto scope = client_.context(place);
      Account::make({.name = name_of(place)}, ndb::id("a")).put();
    }
    for (int round = 0; round < 2; ++round) {
      for (const ContextOptions& place : places()) {
        const auto scope = client_.context(place);
        EXPECT_EQ(get("a"), name_of(place));
        EXPECT_EQ(get("@/tenant-7:a"), name_of(place));
        EXPECT_EQ(ndb::transaction([&] { return get("a"); }), name_of(place));
        EXPECT_EQ(ndb::tasklet([&] { return get("a"); }).get(), name_of(place));
      }
    }
    EXPECT_EQ(calls, 2 * static_cast<int>(places().size()));
    EXPECT_EQ(get("a"), name_of({})) << "without a context: in the client's own place";
    {
      const auto scope = client_.context({.namespace_ = "tenant-7"});
      names.invalidate("a");
      get("a");
    }
    EXPECT_EQ(calls, 2 * static_cast<int>(places().size()) + 1);
    for (const ContextOptions& place : places()) {
      const auto scope = client_.context(place);
      const auto many = names.get_multi({"a", "b"}, [&](const std::vector<std::string>& missing) {
        EXPECT_THAT(missing, ElementsAre("b"));
        return std::vector<std::string>{name_of(place)};
      });
      EXPECT_EQ(*many[0] + *many[1], name_of(place) + name_of(place));
    }
  }
}

// However a process got into the namespace: by its client's default or by a context's options.
TEST_F(TenantsTest, AnInvalidationReachesTheNamespaceInOtherProcesses) {
  ClientOptions options = this->options();
  options.namespace_ = "tenant-7";
  const Client of_seven(options);
  SharedCache<int> here(client_, {.name = "values-" + project()});
  SharedCache<int> there(of_seven, {.name = "values-" + project()});
  const auto scope = client_.context({.namespace_ = "tenant-7"});
  EXPECT_EQ(*here.get("x", [] { return 1; }), 1);
  there.invalidate("x");
  EXPECT_EQ(*here.get("x", [] { return 2; }), 2);
}

TEST_F(TenantsTest, ASharedCacheMayHaveOneValueForAllNamespaces) {
  SharedCache<std::string> rates(client_, {.name = "rates-" + project(), .all_namespaces = true});
  int calls = 0;
  const auto provider = [&] {
    ++calls;
    expect_here(ndb::key<Account>("x"), {});
    return std::string("rates");
  };
  for (const ContextOptions& place : places()) {
    const auto scope = client_.context(place);
    EXPECT_EQ(*rates.get("all", provider), "rates");
    expect_here(ndb::key<Account>("x"), place);
  }
  EXPECT_EQ(calls, 1);
  {
    const auto scope = client_.context({.namespace_ = "tenant-7"});
    rates.invalidate("all");
  }
  rates.get("all", provider);
  EXPECT_EQ(calls, 2);
}

TEST_F(TenantsTest, TheProbeAsksTheDatabaseOfEachHit) {
  FakeClock clock;
  const auto core = take_core(client());
  core->clock = &clock;
  core->probe = std::make_unique<context::ConsistencyProbe>(*core->stub, *core->gateway, clock, 1);
  const Client probing = detail::ClientAccess::make(core);
  for (const ContextOptions& place : places()) {
    in_context(probing, place, [] { Account::make({.name = "a"}, ndb::id("a")).put(); });
    in_context(probing, place, [] { Account::get_by_id("a"); });  // which memcache then has
    in_context(probing, place, [] { Account::get_by_id("a"); });
  }
  clock.advance(context::ConsistencyProbe::kDelay);
  while (probing.memcache_stats().probed < places().size()) std::this_thread::yield();
  EXPECT_EQ(probing.memcache_stats().stale_hits, 0u);
}

TEST_F(TenantsTest, PoliciesSeeTheNamespaceOfTheKey) {
  const auto scope = client_.context({.namespace_ = "tenant-7"});
  std::vector<std::string> asked;
  scope->set_cache_policy([&](const Key& key) {
    asked.emplace_back(key.namespace_());
    return false;
  });
  Account::get_by_id("a");
  ndb::transaction([] { Account::get_by_id("a"); });
  EXPECT_THAT(std::set<std::string>(asked.begin(), asked.end()), ElementsAre("tenant-7"));
  EXPECT_EQ(scope->cache_size(), 0u);
}

}  // namespace
}  // namespace ndb::testing
