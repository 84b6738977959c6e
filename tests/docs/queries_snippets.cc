// The code of the guide's chapters on queries, tasklets and transactions, as in guide_snippets.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/memcached_server.h"

namespace guide_queries {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

struct Address {
  std::string city{};
  NDB_PROPERTIES(Address, city)
};

class Customer : public ndb::Model<Customer> {
 public:
  struct Properties {
    Address home{};
    std::vector<Address> offices{};
  };
  NDB_MODEL(home, offices)
};

class GuideQueries : public ::testing::Test {
 protected:
  void SetUp() override {
    const ndb::Key initech("Account", ndb::id("initech"));
    std::vector<Account> accounts = {
        Account::make({.name = "Ada", .age = 36, .tags = {"vip", "new"}}, ndb::id("ada")),
        Account::make({.name = "Bob", .age = 40, .tags = {"vip"}, .employer = initech}, ndb::id("bob")),
        Account::make({.name = "Cyd", .age = 20, .employer = initech}, ndb::id("cyd")),
        Account::make({.name = "Initech", .age = 5}, ndb::id("initech")),
    };
    ndb::put_multi(accounts);
  }

  const std::unique_ptr<ndb::LocalDatastore> server_ = ndb::LocalDatastore::start();
  const ndb::testing::MemcachedServer memcached_{};
  const ndb::Client client_{
      {.channel = server_->channel(), .memcached_hosts = std::vector<std::string>{memcached_.address()}}};
  ndb::ContextScope scope_ = client_.context();
};

TEST_F(GuideQueries, Filters) {
  Account::make({.name = "Kid"}, ndb::id("kid"), ndb::key<Account>("ada")).put();
  // [queries]
  auto elders = Account::query(Account::age > 30, Account::tags == "vip").order(-Account::age, Account::name);
  std::vector<Account> first = elders.fetch(20);
  Account one = elders.get();                                            // the first, or an empty handle
  auto later = elders.filter(Account::age < 60).offset(10).limit(5);     // elders is as it was
  auto family = Account::query().ancestor(ndb::key<Account>("ada"));     // Ada, and what is below her
  auto loose = ndb::query("Account", {{"age", ndb::Op::kGreater, 30}});  // of ndb::Entity
  // [/queries]
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(one->name, "Bob");
  EXPECT_EQ(later.fetch().size(), 0u);
  EXPECT_EQ(family.fetch().size(), 2u);
  EXPECT_EQ(loose.fetch().size(), 2u);

  // [and_or]
  auto some = Account::query(Account::name.IN({"Ada", "Bob"}));
  auto others = Account::query(Account::name.NOT_IN({"Ada", "Bob"}), Account::age < 18);
  auto either = Account::query(ndb::OR(Account::age >= 65, ndb::AND(Account::tags == "vip", Account::age < 40)));
  auto unemployed = Account::query(Account::employer == nullptr);
  auto in_oslo = Customer::query(ndb::OR(Customer::home.city == "Oslo", Customer::offices.city == "Oslo"));
  // [/and_or]
  EXPECT_EQ(some.count(), 2);
  EXPECT_EQ(others.count(), 2);
  EXPECT_EQ(either.get()->name, "Ada");
  EXPECT_EQ(unemployed.count(), 3);
  Customer::make({.offices = {{.city = "Rome"}, {.city = "Oslo"}}}, ndb::id(1)).put();
  EXPECT_EQ(in_oslo.count(), 1);
}

TEST_F(GuideQueries, Iteration) {
  auto elders = Account::query(Account::age > 30).order(-Account::age);
  std::vector<std::string> seen;
  // [iterate]
  for (const Account& account : elders) {  // a batch at a time; the next one is fetched meanwhile
    seen.push_back(account->name);
  }
  for (const ndb::Key& key : elders.keys_only().iterate(100)) {
    std::cout << key << '\n';
  }
  // [/iterate]
  EXPECT_THAT(seen, ElementsAre("Bob", "Ada"));
  std::vector<ndb::Key> broken;
  // [on_error]
  std::vector<Account> readable = elders
                                      .on_error([&](const ndb::Key& key, const absl::Status& status) {
                                        std::cerr << status
                                                  << '\n';  // says which entity, which property, and what is in it
                                        broken.push_back(key);
                                      })
                                      .fetch(20);
  // [/on_error]
  EXPECT_EQ(readable.size(), 2u);

  std::string link;
  // [pages]
  auto [accounts, cursor, more] = elders.fetch_page(1);
  if (more) link = "/accounts?from=" + cursor.urlsafe();
  // ... and where the link leads:
  auto next = elders.fetch_page(1, ndb::Cursor::from_urlsafe(cursor.urlsafe()));
  // [/pages]
  EXPECT_EQ(accounts[0]->name, "Bob");
  EXPECT_EQ(next.results[0]->name, "Ada");
  EXPECT_FALSE(next.more);
  EXPECT_THAT(link, HasSubstr("from="));
}

TEST_F(GuideQueries, Explain) {
  // [explain]
  auto elders = Account::query(Account::age > 30).order(-Account::age);
  std::cout << elders.explain() << '\n';  // index used: properties (age DESC, __name__ ASC), query_scope ...
  ndb::ExplainMetrics run = elders.explain({.analyze = true});
  std::int64_t billed = run.execution_stats->read_operations;
  ndb::ExplainMetrics count = elders.explain_aggregate({.analyze = true}, ndb::count());
  // [/explain]
  EXPECT_EQ(billed, 2);
  EXPECT_EQ(count.execution_stats->read_operations, 1);
}

TEST_F(GuideQueries, Map) {
  ndb::get_context().clear_cache();
  const ndb::TierCounts before = ndb::get_context().counts();
  // [query_map]
  std::vector<std::string> employers = Account::query(Account::employer != nullptr).map([](const Account& a) {
    return a->name + " works for " + a->employer->get<Account>()->name;
  });
  // [/query_map]
  EXPECT_EQ(employers.size(), 2u);
  EXPECT_EQ(ndb::get_context().counts().queries, before.queries + 1);
  EXPECT_EQ(ndb::get_context().counts().lookups, before.lookups + 1);
}

TEST_F(GuideQueries, Async) {
  // [query_async]
  ndb::Future<std::vector<Account>> vips = Account::query(Account::tags == "vip").fetch_async();
  ndb::Future<std::int64_t> total = Account::query().count_async();
  std::cout << vips.get().size() << " of " << total.get() << '\n';  // two calls, side by side
  // [/query_async]
  EXPECT_EQ(vips.get().size(), 2u);
}

TEST_F(GuideQueries, Projections) {
  // [project]
  for (const auto& row : Account::query().order(Account::name).project(Account::name, Account::age)) {
    std::cout << row.key() << " " << row[Account::name] << " " << row[Account::age] << '\n';
  }
  auto tags = Account::query().project(Account::tags).distinct().fetch();  // each tag once
  auto oldest = Account::query().distinct_on(Account::tags).order(Account::tags, -Account::age).fetch();
  for (const auto& row : ndb::query("Account").project({"name", "age"})) std::cout << row["name"] << '\n';
  // [/project]
  EXPECT_EQ(tags.size(), 2u);
  EXPECT_EQ(tags[0][Account::tags], "new");
  ASSERT_EQ(oldest.size(), 2u);
  EXPECT_EQ(oldest[1]->name, "Bob");
}

TEST_F(GuideQueries, Aggregations) {
  // [aggregate]
  std::int64_t vips = Account::query(Account::tags == "vip").count();
  bool many = Account::query().count(1000) == 1000;  // counts no further than that
  std::int64_t years = Account::query().sum(Account::age);
  std::optional<double> mean = Account::query().avg(Account::age);                        // nothing if there is none
  auto [n, mean_age] = Account::query().aggregate(ndb::count(), ndb::avg(Account::age));  // in one call
  // [/aggregate]
  EXPECT_EQ(vips, 2);
  EXPECT_FALSE(many);
  EXPECT_EQ(years, 101);
  EXPECT_EQ(mean, 25.25);
  EXPECT_EQ(n, 4);
  EXPECT_EQ(mean_age, mean);
}

TEST_F(GuideQueries, Gql) {
  // [gql]
  auto elders = ndb::gql<Account>("SELECT * FROM Account WHERE age > @1 ORDER BY age DESC", 30).fetch();
  auto same = Account::gql("WHERE age > @least AND tags = @tag", ndb::named("least", 30), ndb::named("tag", "vip"));
  auto keys = ndb::gql("SELECT __key__ FROM Account").keys_only().fetch();
  auto names = ndb::gql("SELECT name FROM Account").project(Account::name).fetch();
  auto counts = ndb::gql("SELECT COUNT(*) AS n FROM Account").aggregate();
  // [/gql]
  EXPECT_EQ(elders.size(), 2u);
  EXPECT_EQ(same.fetch().size(), 2u);
  EXPECT_EQ(keys.size(), 4u);
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(counts.at("n"), ndb::Value(4));
}

TEST_F(GuideQueries, Tasklets) {
  // [tasklet_waits]
  std::vector<ndb::Tasklet<std::int64_t>> ages;
  for (const char* id : {"ada", "bob"}) {
    ages.push_back(ndb::tasklet([id] { return Account::get_by_id(id)->age; }));
  }
  std::size_t first = ndb::wait_any(ages);  // the index of one that is done
  ndb::wait_all(ages);
  ndb::Tasklet<void> fails = ndb::tasklet([] { throw ndb::BadValueError("no"); });
  try {
    fails.get();
  } catch (const ndb::BadValueError& error) {
    std::cerr << error.what() << '\n';
  }
  // [/tasklet_waits]
  EXPECT_LT(first, 2u);
  EXPECT_EQ(ages[1].get(), 40);
}

TEST_F(GuideQueries, Transactional) {
  // [transactional]
  auto birthday = ndb::transactional([](const ndb::Key& key) {
    Account account = key.get<Account>();
    account.edit().age += 1;
    account.put();
  });
  birthday(ndb::key<Account>("ada"));  // a transaction of its own
  ndb::transaction([&] {
    birthday(ndb::key<Account>("ada"));  // joins
    birthday(ndb::key<Account>("bob"));
  });
  // [/transactional]
  EXPECT_EQ(Account::get_by_id("ada")->age, 38);
  EXPECT_EQ(Account::get_by_id("bob")->age, 41);

  // [transaction_async]
  ndb::Tasklet<void> one = ndb::transaction_async([&] { birthday(ndb::key<Account>("ada")); });
  ndb::Tasklet<void> two = ndb::transaction_async([&] { birthday(ndb::key<Account>("bob")); });
  ndb::wait_all(one, two);
  // [/transaction_async]
  one.get();
  two.get();
  EXPECT_EQ(Account::get_by_id("ada")->age, 39);
}

}  // namespace guide_queries
