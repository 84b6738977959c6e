// The code of docs/guide.md. A region from `// [name]` to `// [/name]` stands there word for word (check_snippets.sh);
// the lines around it show that it does what the guide says. Public headers only, as a user has them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/memcached_server.h"

namespace guide {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- Models

// [account]
class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    std::optional<ndb::Key> employer{};
  };
  NDB_MODEL(name, age, tags, employer)
};
// [/account]

// [class_flags]
class Visit : public ndb::Model<Visit> {  // lives in memcache for half a minute and nowhere else
 public:
  struct Properties {
    std::string page{};
  };
  NDB_MODEL(page)

  static constexpr bool _use_cache = false;
  static constexpr bool _use_datastore = false;
  static constexpr std::chrono::seconds _memcache_timeout{30};
};

class Report : public ndb::Model<Report> {
 public:
  struct Properties {
    ndb::Text text{};
  };
  NDB_MODEL(text)

  static bool _use_memcache(const ndb::Key& key) { return key.integer_id().has_value(); }  // asked for every key
};
// [/class_flags]

// [types]
struct Address {
  std::string street{};
  std::string city{};
  NDB_PROPERTIES(Address, street, (city, .name = "town"))
};

class Customer : public ndb::Model<Customer> {
 public:
  struct Properties {
    bool active = true;
    std::int32_t visits = 0;
    double score = 0;
    std::string name{};
    ndb::Text notes{};
    ndb::Blob photo{};
    ndb::Json settings{};
    ndb::GeoPoint place{};
    ndb::Timestamp created{}, updated{};
    ndb::Key referrer{};
    ndb::Value anything{};
    std::optional<double> discount{};
    std::vector<std::string> tags{};
    Address home{};
    std::vector<Address> offices{};

    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL((active, .name = "a"), visits, (score, .indexed = false), name, notes, photo, settings, place,
            (created, .auto_now_add = true), (updated, .auto_now = true), referrer, anything, discount, tags, home,
            offices, initial)

  static constexpr auto _kind = "Client";
};
// [/types]

// [hooks]
class Invoice : public ndb::Model<Invoice> {
 public:
  struct Properties {
    std::int64_t cents = 0;
    std::string shown{};
  };
  NDB_MODEL(cents, shown)

  void _pre_put_hook() { edit().shown = std::to_string((*this)->cents / 100) + " EUR"; }
  void _post_put_hook(const absl::Status& status) const { note("put", key(), status); }
  static void _pre_get_hook(const ndb::Key& key) { note("about to get", key, absl::OkStatus()); }
  static void _post_get_hook(const ndb::Key& key, const absl::Status& status) { note("got", key, status); }
  static void _pre_delete_hook(const ndb::Key& key) { note("about to delete", key, absl::OkStatus()); }
  static void _post_delete_hook(const ndb::Key& key, const absl::Status& status) { note("deleted", key, status); }
  static void _pre_allocate_ids_hook(int count, const ndb::Key&) {
    if (count > 1000) throw ndb::BadArgumentError("so many invoices?");
  }

  static inline std::vector<std::string> notes;
  static void note(std::string_view what, const ndb::Key& key, const absl::Status& status) {
    notes.push_back(std::string(what) + " " + key.to_string() + (status.ok() ? "" : ": failed"));
  }
};
// [/hooks]

// [inheritance]
class Person : public ndb::Model<Person> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
  static constexpr bool _use_cache = false;
};

class Employee : public ndb::Model<Employee, Person> {  // kind Employee: name, salary; does not use the context cache
 public:
  struct Properties : Person::Properties {
    std::int64_t salary = 0;
  };
  NDB_MODEL(salary)
};
// [/inheritance]

class Wallet : public ndb::Model<Wallet> {
 public:
  struct Properties {
    std::int64_t coins = 0;
  };
  NDB_MODEL(coins)
};

// One memcached and one local Datastore for all tests; each test has a project of its own.
class Guide : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    memcached_ = std::make_unique<ndb::testing::MemcachedServer>();
    server_ = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
  }
  static void TearDownTestSuite() {
    server_.reset();
    memcached_.reset();
  }

  static ndb::Client make_client() {
    return ndb::Client({.project = ::testing::UnitTest::GetInstance()->current_test_info()->name(),
                        .channel = server_->channel(),
                        .memcached_hosts = std::vector<std::string>{memcached_->address()}});
  }

  static inline std::unique_ptr<ndb::testing::MemcachedServer> memcached_;
  static inline std::unique_ptr<ndb::LocalDatastore> server_;
};

// With a context, and Ada and Bob in the Datastore: nothing of them is in the context's cache or in memcache.
class GuideInContext : public Guide {
 protected:
  void SetUp() override {
    Account::make({.name = "Ada", .age = 36, .tags = {"vip"}}, ndb::id("ada")).put({.use_cache = false});
    Account::make({.name = "Bob", .age = 41}, ndb::id("bob")).put({.use_cache = false});
  }

  template <class F>
  void in_another_thread(F function) {
    std::thread([&] {
      auto scope = client_.context();
      function();
    }).join();
  }

  // Nobody waits for a fill, and another thread has another connection: reads until memcache answers.
  void expect_in_memcache(std::string_view id, std::int64_t age) {
    bool hit = false;
    while (!hit) {
      in_another_thread([&] {
        EXPECT_EQ(Account::get_by_id(id)->age, age);
        hit = ndb::get_context().counts().memcache_hits == 1;
      });
    }
  }

  ndb::Client client_ = make_client();
  ndb::ContextScope scope_ = client_.context();
  ndb::Key ada_ = ndb::key<Account>("ada");
};

template <class E, class F>
std::string message_of(F function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

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
    EXPECT_THAT(message_of<ndb::ContextError>([&] { auto second = client.context(); }), HasSubstr("already"));
    std::string seen;
    std::thread([&] { seen = message_of<ndb::ContextError>([&] { context.clear_cache(); }); }).join();
    EXPECT_THAT(seen, HasSubstr("belongs to another thread"));
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
  // use_memcache = false neither serves nor fills, but a write still takes down what other processes would be served.
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
  EXPECT_EQ(Invoice::notes.size(), 3u);
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

// ---- Futures, tasklets, transactions

TEST_F(GuideInContext, Futures) {
  const ndb::TierCounts& counts = ndb::get_context().counts();
  {
    // [futures]
    ndb::Future<Account> ada = Account::get_by_id_async("ada");
    ndb::Future<Account> bob = Account::get_by_id_async("bob");
    std::int64_t total = ada.get()->age + bob.get()->age;  // one batch to memcache, one Lookup
    // [/futures]
    EXPECT_EQ(total, 77);
    EXPECT_EQ(counts.memcache_reads, 1u);
    EXPECT_EQ(counts.lookups, 1u);
    EXPECT_EQ(counts.lookup_keys, 2u);
  }
  {
    // [multi]
    std::vector<ndb::Key> keys{ndb::key<Account>("ada"), ndb::key<Account>("bob"), ndb::key<Account>("ada")};
    std::vector<Account> accounts =
        ndb::get_multi<Account>(keys);  // in the order of the keys; one may stand in it twice
    for (Account& account : accounts) account.edit().age += 1;
    std::vector<ndb::Key> written = ndb::put_multi(accounts);
    ndb::delete_multi(keys);
    // [/multi]
    EXPECT_EQ(written, keys);
  }
  {
    const std::vector<ndb::Key> keys{ndb::key<Account>("ada"), ndb::key<Account>("bad")};
    ndb::Entity::make(keys[1], {{"age", "forty"}, {"name", "Bad"}}).put();
    ndb::get_context().clear_cache();
    std::size_t errors = 0;
    // [try_get_multi]
    for (const absl::StatusOr<Account>& account : ndb::try_get_multi<Account>(keys)) {
      if (account.ok()) continue;
      std::cerr << account.status() << '\n';  // names the entity
      ++errors;
    }
    // [/try_get_multi]
    EXPECT_EQ(errors, 1u);
    keys[1].delete_();
  }
  // [try_get]
  absl::StatusOr<Account> found = Account::get_by_id_async("ada").try_get();
  if (!found.ok()) std::cerr << found.status() << '\n';
  // [/try_get]
  EXPECT_TRUE(found.ok());
}

TEST_F(GuideInContext, Tasklets) {
  Account::make({.name = "Cyd", .employer = ada_}, ndb::id("cyd")).put({.use_cache = false});
  Account::make({.name = "Dee", .employer = ada_}, ndb::id("dee")).put({.use_cache = false});
  const std::uint64_t before = ndb::get_context().counts().lookups;
  // [tasklets]
  auto name_of_employer = [](std::string_view id) {
    Account account = Account::get_by_id(id);
    return account->employer ? account->employer->get<Account>()->name : "";
  };
  ndb::Tasklet<std::string> cyd = ndb::tasklet([&] { return name_of_employer("cyd"); });
  ndb::Tasklet<std::string> dee = ndb::tasklet([&] { return name_of_employer("dee"); });
  std::cout << cyd.get() << ", " << dee.get() << '\n';  // two Lookups in all, and not four
  // [/tasklets]
  EXPECT_EQ(cyd.get(), "Ada");
  EXPECT_EQ(ndb::get_context().counts().lookups - before, 2u);

  // [map]
  std::vector<std::string> ids{"cyd", "dee"};
  std::vector<std::string> names = ndb::map(ids, name_of_employer);
  // [/map]
  EXPECT_THAT(names, ElementsAre("Ada", "Ada"));
}

TEST_F(GuideInContext, Transactions) {
  Wallet::make({.coins = 100}, ndb::id("mine")).put();
  Wallet::make({.coins = 0}, ndb::id("yours")).put();
  // [transaction]
  std::int64_t left = ndb::transaction([] {
    Wallet mine = Wallet::get_by_id("mine");
    Wallet yours = Wallet::get_by_id("yours");
    if (mine->coins < 10) throw ndb::Rollback("not enough");  // undone quietly; transaction() gives 0
    mine.edit().coins -= 10;
    yours.edit().coins += 10;
    mine.put();
    yours.put();
    ndb::get_context().call_on_commit([] { std::cout << "paid\n"; });
    return mine->coins;
  });
  // [/transaction]
  EXPECT_EQ(left, 90);
  EXPECT_EQ(Wallet::get_by_id("yours")->coins, 10);

  // [transaction_options]
  ndb::transaction([] { Wallet::get_by_id("mine"); }, {.retries = 5, .read_only = true});
  ndb::transaction(
      [] {
        ndb::transaction([] { Wallet::get_by_id("mine"); }, {.propagation = ndb::Propagation::kAllowed});  // joins
        ndb::non_transactional([] { Wallet::make({.coins = 1}, ndb::id("log")).put(); });  // is not undone
        throw ndb::Rollback("");
      },
      {.deadline = std::chrono::seconds(10)});
  // [/transaction_options]
  EXPECT_TRUE(Wallet::get_by_id("log"));
  EXPECT_THAT(message_of<ndb::BadRequestError>([] { ndb::transaction([] { ndb::transaction([] {}); }); }),
              HasSubstr("kAllowed"));
}

// ---- Raw memcache, errors

TEST_F(GuideInContext, PutIf) {
  // [put_if]
  Account fresh = Account::get_by_id("ada", {.max_staleness = std::chrono::seconds(5)});
  fresh.edit().age += 1;
  try {
    fresh.put_if(ndb::version_of(fresh));
  } catch (const ndb::ConflictError&) {
    // Somebody else has written it since. No cache serves the old value now: read it again.
  }
  // [/put_if]
  EXPECT_EQ(Account::get_by_id("ada", {.use_cache = false, .use_memcache = false})->age, 37);
  EXPECT_THROW(fresh.put_if(1), ndb::ConflictError);
}

TEST_F(GuideInContext, RawMemcache) {
  // [raw_memcache]
  ndb::Context& context = ndb::get_context();
  context.memcache_set("greeting", "hello", 60);
  std::optional<std::string> greeting = context.memcache_get("greeting");
  context.memcache_add("greeting", "no");  // false: it is there already
  std::optional<std::uint64_t> visits = context.memcache_incr("visits", 1, 0);

  if (auto item = context.memcache_gets("greeting")) {
    context.memcache_cas("greeting", item->value + " again", item->token);  // unless it was changed meanwhile
  }
  // [/raw_memcache]
  EXPECT_EQ(greeting, "hello");
  EXPECT_EQ(visits, 1u);
  EXPECT_EQ(context.memcache_get("greeting"), "hello again");
}

TEST_F(GuideInContext, Errors) {
  // [errors]
  try {
    Account::make({.name = std::string(2000, 'x')}, ndb::id("long")).put();
  } catch (const ndb::BadValueError& error) {
    std::cerr << error.what() << '\n';  // names the property, its size and the limit
  } catch (const ndb::Error& error) {
    if (absl::IsUnavailable(error.status())) std::cerr << "try again: " << error.what() << '\n';
  }
  // [/errors]
  EXPECT_THAT(
      message_of<ndb::BadValueError>([] { Account::make({.name = std::string(2000, 'x')}, ndb::id("l")).put(); }),
      HasSubstr("\"name\""));
  // [log]
  ndb::set_log_sink([](ndb::Severity severity, std::string_view message) {
    if (severity != ndb::Severity::kInfo) std::clog << "ndb: " << message << '\n';
  });
  // [/log]
  ndb::set_log_sink({});
}

// Compiled and not run: gRPC runs in this process, and the children of this one could not use it.
[[maybe_unused]] void fork_first(const ndb::ClientOptions& options) {
  // [fork]
  ndb::Client client(options);  // connects nowhere yet
  if (const pid_t child = fork(); child == 0) {
    auto scope = client.context();  // the child's own connections, made now
    Account::make({.name = "Child"}, ndb::id("child")).put();
    _exit(0);
  }
  // [/fork]
}

TEST_F(Guide, Clients) {
  const std::string folder = ::testing::TempDir() + "ndb_guide_" + std::to_string(getpid());
  // [local_datastore]
  auto server = ndb::LocalDatastore::start({.data_dir = folder});
  ndb::Client client({.channel = server->channel()});
  // [/local_datastore]
  std::filesystem::remove_all(folder);
  const std::string host = memcached_->address();
  // [client_options]
  ndb::Client shop({.project = "shop",
                    .namespace_ = "eu",
                    .emulator_host = "localhost:8081",
                    .memcached_hosts = std::vector<std::string>{host},
                    .memcache_timeout = std::chrono::hours(24)});  // where no policy and no class says otherwise
  // [/client_options]
  EXPECT_EQ(client.project(), "local");
  EXPECT_EQ(shop.project(), "shop");
}

TEST_F(GuideInContext, Counts) {
  // [counts]
  Account::get_by_id("ada");
  const ndb::TierCounts& counts = ndb::get_context().counts();
  std::cout << counts.cache_hits << " from the context cache, " << counts.memcache_hits << " from memcache, "
            << counts.lookup_keys << " keys in " << counts.lookups << " Lookups\n";
  // [/counts]
  EXPECT_EQ(counts.lookup_keys, 1u);
  const ndb::Client& client = client_;
  // [stats]
  const ndb::DatastoreStats rpcs = client.datastore_stats();
  const ndb::RpcStats& lookups = rpcs[ndb::RpcMethod::kLookup];
  std::cout << lookups.calls() << " Lookups, " << lookups.failed() << " of them failed, in " << lookups.time.count()
            << " ns\n";
  ndb::for_each_stat(client.memcache_stats(), [](const auto& field, std::uint64_t value) {
    std::cout << field.name << ' ' << value << "  # " << field.help << '\n';
  });
  // [/stats]
  EXPECT_GT(lookups.calls(), 0u);
}

}  // namespace guide
