// The code of docs/guide.md. A region from `// [name]` to `// [/name]` stands there word for word (check_snippets.sh);
// the lines around it show that it does what the guide says. Public headers only, as a user has them.
#include "docs/guide_fixture.h"

namespace guide {

// ---- Caching

TEST_F(GuideInContext, Introduction) {
  // [introduction]
  Account eve = Account::make({.name = "Eve", .age = 29}, ndb::id("eve"));
  eve.put();                                 // to the Datastore, and into this context's cache
  Account same = Account::get_by_id("eve");  // from the context's cache
  // [/introduction]
  EXPECT_EQ(same->name, "Eve");
  EXPECT_EQ(ndb::get_context().counts().cache_hits, 1u);
  EXPECT_EQ(ndb::get_context().counts().lookups, 0u);

  // [options]
  ndb::Key key = ndb::key<Account>("ada");
  Account ada = key.get<Account>({.use_cache = false, .use_memcache = false});  // from the Datastore
  // [/options]
  EXPECT_EQ(ada->name, "Ada");
  EXPECT_EQ(ndb::get_context().counts().lookups, 1u);
  EXPECT_EQ(ndb::get_context().counts().memcache_reads, 0u);

  // [invalidate]
  ndb::get_context().invalidate(key);
  // [/invalidate]
}

TEST_F(Guide, Scope) {
  setenv("DATASTORE_EMULATOR_HOST", server_->address().c_str(), 1);
  setenv("MEMCACHED_HOSTS", memcached_->address().c_str(), 1);
  {
    // [scope]
    ndb::Client client;             // one per process
    auto scope = client.context();  // this thread's context, until the end of the block

    ndb::Context& context = ndb::get_context();
    // [/scope]
    EXPECT_EQ(&context, &*scope);
    std::string seen;
    std::thread([&] { seen = message_of<ndb::ContextError>([&] { context.clear_cache(); }); }).join();
    EXPECT_THAT(seen, HasSubstr("belongs to another thread"));
    // [nested_scopes]
    auto outer = client.context();
    {
      auto inner = client.context({.namespace_ = "audit"});
      Account::make({.name = "Log"}, ndb::id("log")).put();  // in the namespace "audit"
    }
    Account none = Account::get_by_id("log");  // empty: the outer context is current again
    // [/nested_scopes]
    EXPECT_FALSE(none);
    ndb::tasklet([&] { EXPECT_THROW(outer.close(), ndb::ContextError); }).get();
  }
  {
    ndb::Client client;
    // [default_client]
    ndb::set_default_client(client);
    std::thread([] { Account::make({.name = "Zoe"}, ndb::id("zoe")).put(); }).join();  // no scope
    ndb::set_default_client(std::nullopt);
    // [/default_client]
    auto scope = client.context();
    EXPECT_TRUE(Account::get_by_id("zoe"));
    // [close]
    Account::make({.name = "Max"}, ndb::id("max")).put_async();  // nobody keeps the future
    scope.close();                                               // waits for it, and would throw its error
    // [/close]
  }
  {
    ndb::Client client;
    // [deadline]
    std::stop_source client_left;
    {
      auto scope = client.context({.deadline = std::chrono::seconds(2), .stop = client_left.get_token()});
      Account::make({.name = "Max"}, ndb::id("max")).put();
    }  // here at the latest after two seconds, whatever the Datastore and memcached do
    // [/deadline]
    // [shutdown]
    const std::vector<std::thread::id> stuck = client.shutdown(std::chrono::seconds(5));
    // [/shutdown]
    EXPECT_TRUE(stuck.empty());
    EXPECT_THAT(message_of<ndb::ContextError>([&] { auto late = client.context(); }), HasSubstr("shut down"));
  }
  unsetenv("DATASTORE_EMULATOR_HOST");
  unsetenv("MEMCACHED_HOSTS");
}

TEST_F(GuideInContext, ContextCache) {
  ndb::Context& context = ndb::get_context();
  // [context_cache]
  Account first = Account::get_by_id("ada");   // one Lookup; the result goes into memcache and the context cache
  Account second = Account::get_by_id("ada");  // no call at all
  // [/context_cache]
  EXPECT_EQ(first, second);
  EXPECT_EQ(context.counts().lookups, 1u);
  EXPECT_EQ(context.counts().cache_hits, 1u);

  // [copy_on_write]
  first.edit().age = 50;                      // this handle's copy
  Account third = Account::get_by_id("ada");  // 36 still: nothing was put
  // [/copy_on_write]
  EXPECT_EQ(third->age, 36);
  EXPECT_EQ(second->age, 36);
  EXPECT_EQ(first->age, 50);

  // [cache_limit]
  context.set_cache_limit(10'000, 64 << 20);  // entities, bytes: the least recently used ones leave
  // [/cache_limit]
  EXPECT_EQ(context.cache_size(), 1u);
  // [clear_cache]
  context.clear_cache();
  // [/clear_cache]
  EXPECT_EQ(context.cache_size(), 0u);
}

TEST_F(GuideInContext, QueriesAndTheContextCache) {
  // [query_cache]
  Account::get_by_id("bob");
  ndb::key<Account>("ada").delete_();
  std::vector<Account> all = Account::query().fetch();  // Bob as the cache has him; Ada is known here to be deleted
  // [/query_cache]
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0], Account::get_by_id("bob"));
  EXPECT_EQ(ndb::get_context().counts().lookups, 1u);

  // [query_without_cache]
  for (const Account& account : Account::query().fetch(1000, {.use_cache = false})) std::cout << account->name << '\n';
  // [/query_without_cache]
}

TEST_F(GuideInContext, Memcache) {
  ndb::Client& client = client_;
  Account ada = Account::get_by_id("ada");
  expect_in_memcache("ada", 36);
  // [delete_on_write]
  ada.edit().age = 37;
  ada.put();  // the record in memcache is locked, the Datastore commits, the record is left empty

  std::thread([&] {
    auto scope = client.context();
    std::cout << Account::get_by_id("ada")->age << '\n';  // 37: from the Datastore, and memcache is filled
  }).join();
  // [/delete_on_write]
  expect_in_memcache("ada", 37);
  // With use_memcache = false memcache is neither read nor filled, but a write still invalidates the record for other
  // processes.
  ada.edit().age = 38;
  ada.put({.use_memcache = false});
  in_another_thread([&] { EXPECT_EQ(Account::get_by_id("ada")->age, 38); });
}

// ---- Policies

TEST_F(GuideInContext, PolicyFunctions) {
  // [set_policies]
  ndb::Context& context = ndb::get_context();
  context.set_cache_policy([](const ndb::Key& key) { return key.kind() != "Account"; });
  context.set_memcache_policy(false);  // a constant instead of a function
  context.set_cache_policy(nullptr);   // the default policy again
  // [/set_policies]

  // [not_account]
  context.set_cache_policy([](const ndb::Key& key) { return key.kind() != "Account"; });
  // [/not_account]
  Account::get_by_id("ada");
  EXPECT_EQ(context.cache_size(), 0u);

  // [memcache_policy]
  context.set_memcache_policy([](const ndb::Key& key) { return key.kind() != "Account"; });
  // [/memcache_policy]
  const auto reads = context.counts().memcache_reads;
  Account::get_by_id("ada");
  EXPECT_EQ(context.counts().memcache_reads, reads);

  context.set_cache_policy(nullptr);
  context.set_memcache_policy(nullptr);
  // [datastore_policy]
  context.set_datastore_policy([](const ndb::Key& key) { return key.kind() != "Account"; });
  Account::make({.name = "Tmp"}, ndb::id("tmp")).put();  // into the context cache and memcache
  // [/datastore_policy]
  EXPECT_EQ(context.counts().commits, 2u);
  context.clear_cache();
  EXPECT_EQ(Account::get_by_id("tmp")->name, "Tmp");
  EXPECT_FALSE(Account::get_by_id("nobody"));
  context.set_datastore_policy(nullptr);
  EXPECT_FALSE(Account::get_by_id("tmp", {.use_cache = false}));

  // [timeout_policy]
  context.set_memcache_timeout_policy(30);
  context.set_memcache_timeout_policy([](const ndb::Key& key) { return key.kind() == "Account" ? 30 : 0; });
  // [/timeout_policy]

  // [no_opinion]
  context.set_memcache_policy([](const ndb::Key& key) -> std::optional<bool> {
    if (key.kind() == "Visit") return true;
    return std::nullopt;  // no opinion: the client's default decides, then true
  });
  // [/no_opinion]
  // [fallback]
  context.set_memcache_policy([](const ndb::Key& key) -> std::optional<bool> {
    if (key.kind() == "Account") return false;
    return ndb::Context::default_memcache_policy(key);  // the class variable _use_memcache
  });
  // [/fallback]
  EXPECT_EQ(ndb::Context::default_memcache_policy(ndb::key<Report>("r")), false);
  EXPECT_EQ(ndb::Context::default_memcache_policy(ndb::key<Report>(7)), true);
  EXPECT_EQ(ndb::Context::default_memcache_policy(ada_), std::nullopt);
  EXPECT_EQ(ndb::Context::default_cache_policy(ndb::key<Visit>(1)), false);
  EXPECT_EQ(ndb::Context::default_datastore_policy(ndb::key<Visit>(1)), false);
  EXPECT_EQ(ndb::Context::default_memcache_timeout_policy(ndb::key<Visit>(1)), std::chrono::seconds(30));
}

TEST_F(GuideInContext, ClassFlags) {
  Visit::make({.page = "/home"}, ndb::id(1)).put();
  EXPECT_EQ(Visit::get_by_id(1)->page, "/home");
  EXPECT_EQ(ndb::get_context().cache_size(), 0u);
  EXPECT_EQ(ndb::get_context().counts().lookups, 0u);
  EXPECT_THAT(message_of<ndb::BadKeyError>([] { Visit::make({.page = "/"}).put(); }), HasSubstr("incomplete"));
  EXPECT_THAT(message_of<ndb::BadArgumentError>([] { Visit::get_by_id(1, {.use_memcache = false}); }),
              HasSubstr("no tier is left"));
}

// ---- Keys and models

TEST_F(GuideInContext, Keys) {
  // [keys]
  ndb::Key ada = ndb::key<Account>("ada");
  ndb::Key order = ndb::key<Invoice>(7, ada);  // a child of ada
  ndb::Key same("Invoice", ndb::id(7), ndb::Key("Account", ndb::id("ada")));
  ndb::Key elsewhere("Account", ndb::id("ada"), {.namespace_ = "eu"});
  std::string text = order.urlsafe();  // as google-cloud-ndb writes it
  ndb::Key back = ndb::Key::from_urlsafe(text);
  // [/keys]
  EXPECT_EQ(order, same);
  EXPECT_EQ(order.parent(), ada);
  EXPECT_EQ(elsewhere.namespace_(), "eu");
  EXPECT_NE(elsewhere, ada);
  EXPECT_EQ(back, order);

  // [ids]
  Account fresh = Account::make({.name = "Kim"});  // no id: the key is incomplete
  ndb::Key key = fresh.put();                      // the Datastore assigns a number; fresh.key() has it too
  std::vector<ndb::Key> reserved = Account::allocate_ids(10);
  Account kim = Account::get_or_insert("kim", {.name = "Kim"});
  // [/ids]
  EXPECT_TRUE(key.is_complete());
  EXPECT_EQ(fresh.key(), key);
  EXPECT_EQ(reserved.size(), 10u);
  EXPECT_EQ(kim->name, "Kim");
  EXPECT_THAT(message_of<ndb::BadKeyError>([] { ndb::Key("Account", ndb::id("")); }), HasSubstr("empty"));
}

TEST_F(GuideInContext, Models) {
  // [handles]
  Account ada = Account::get_by_id("ada");
  if (ada) std::cout << ada->name << '\n';  // an entity that does not exist is an empty handle
  Account copy = ada;                       // shares the properties
  copy.edit().tags.push_back("new");        // now it has its own; ada is as it was
  ndb::key<Account>("bob").delete_();
  bool gone = !Account::get_by_id("bob");
  // [/handles]
  EXPECT_THAT(ada->tags, ElementsAre("vip"));
  EXPECT_THAT(copy->tags, ElementsAre("vip", "new"));
  EXPECT_TRUE(gone);

  // [structured]
  Customer shop =
      Customer::make({.name = "Shop", .settings = {R"({"colour":"red"})"}, .place = {60.2, 24.9}}, ndb::id(1));
  shop.edit().home = {.street = "Main 1", .city = "Oslo"};
  shop.edit().offices.push_back({.street = "Side 2", .city = "Bergen"});
  shop.put();
  std::vector<Customer> in_oslo = Customer::query(Customer::home.city == "Oslo", Customer::initial == "S").fetch();
  // [/structured]
  ASSERT_EQ(in_oslo.size(), 1u);
  EXPECT_EQ(in_oslo[0]->offices.at(0).city, "Bergen");
  EXPECT_NE(shop->created, ndb::Timestamp());
  EXPECT_EQ(ndb::property_name(Customer::home.city), "home.town");

  Invoice invoice = Invoice::make({.cents = 4200}, ndb::id(1));
  Invoice::notes.clear();
  invoice.put();
  EXPECT_EQ(invoice->shown, "42 EUR");
  Invoice::get_by_id(1);
  EXPECT_EQ(Invoice::notes.size(), 4u);
  EXPECT_THROW(Invoice::allocate_ids(1001), ndb::BadArgumentError);

  Employee employee = Employee::make({}, ndb::id("x"));
  employee.edit().name = "Lee";
  employee.put();
  EXPECT_EQ(ndb::Context::default_cache_policy(employee.key()), false);
  EXPECT_EQ(employee.key().kind(), "Employee");
}

TEST_F(GuideInContext, Entities) {
  // [entity]
  ndb::Entity note = ndb::Entity::make("Note", ndb::id("n"), {{"title", "Milk"}, {"stars", 3}});
  note.edit()["stars"] = note["stars"].as_int64() + 1;
  note.edit()["body"] = ndb::Text("A long text that is not indexed");
  note.put();
  for (const auto& [name, value] : note) std::cout << name << " = " << value << '\n';
  // [/entity]
  EXPECT_EQ(ndb::Key("Note", ndb::id("n")).get<ndb::Entity>({.use_cache = false}), note);

  // [wrong_type]
  ndb::Entity::make("Account", ndb::id("odd"), {{"age", "thirty"}}).put();
  try {
    Account::get_by_id("odd");
  } catch (const ndb::BadValueError& error) {
    std::cerr << error.what() << '\n';
    // property "age" of Account is declared as an integer, but the value "thirty" is of type string (Key('Account', ...
  }
  // [/wrong_type]
  EXPECT_THAT(
      message_of<ndb::BadValueError>([] { Account::get_by_id("odd"); }),
      HasSubstr("property \"age\" of Account is declared as an integer, but the value \"thirty\" is of type string "
                "(Key('Account', 'odd'"));
}

}  // namespace guide
