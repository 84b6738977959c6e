// Queries, and what the context cache makes of their results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/tiers.h"

namespace {

using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Person : public ndb::Model<Person> {
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

class Firm : public ndb::Model<Firm> {
 public:
  struct Properties {
    Address seat{};
    std::optional<double> revenue{};
    ndb::Timestamp founded{};
    std::vector<std::int64_t> sizes{};
    std::string label() const { return seat.city + "!"; }
  };
  NDB_MODEL(seat, revenue, founded, sizes, label)
};

class Queries : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      std::vector<Person> people = {
          Person::make({.name = "ann", .age = 30, .tags = {"vip", "new"}}, ndb::id("ann")),
          Person::make({.name = "bob", .age = 40, .employer = ndb::Key("Firm", ndb::id("acme"))}, ndb::id("bob")),
          Person::make({.name = "cid", .age = 50, .tags = {"vip"}}, ndb::id("cid")),
          Person::make({.name = "dan", .age = 60}, ndb::id("dan"), ndb::key<Person>("ann")),
      };
      ndb::put_multi(people);
    });
  }
  static std::vector<std::string> names(const std::vector<Person>& people) {
    std::vector<std::string> names;
    for (const Person& person : people) names.push_back(person->name);
    return names;
  }
  const ndb::Client client_ = client();
};

TEST_F(Queries, FiltersOrdersAndLimits) {
  in_new_context(client_, [] {
    const auto all = Person::query();
    struct Row {
      ndb::Query<Person> query;
      std::vector<std::string> expected;
    };
    const std::vector<Row> rows = {
        {all.order(Person::name), {"ann", "bob", "cid", "dan"}},
        {all.order(-Person::age), {"dan", "cid", "bob", "ann"}},
        {Person::query(Person::age > 30, Person::age <= 50).order(Person::age), {"bob", "cid"}},
        {Person::query(Person::tags == "vip").order(-Person::age), {"cid", "ann"}},
        {Person::query(Person::tags == "vip", Person::tags == "new"), {"ann"}},
        {Person::query(Person::name != "bob").order(Person::name), {"ann", "cid", "dan"}},
        {Person::query(Person::employer == ndb::Key("Firm", ndb::id("acme"))), {"bob"}},
        {Person::query(Person::_key > ndb::key<Person>("ann")).order(Person::_key), {"dan", "bob", "cid"}},
        {all.ancestor(ndb::key<Person>("ann")).order(Person::name), {"ann", "dan"}},
        {all.filter(Person::age == 40), {"bob"}},
        {all.order(Person::name).offset(2), {"cid", "dan"}},
        {all.in_namespace("elsewhere"), {}},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_EQ(names(rows[i].query.fetch()), rows[i].expected);
    }
    EXPECT_THAT(names(all.order(Person::name).fetch(2)), ElementsAre("ann", "bob"));
    EXPECT_THAT(all.fetch(0), IsEmpty());
    EXPECT_EQ(all.order(-Person::age).get()->name, "dan");
    EXPECT_FALSE(Person::query(Person::age == 99).get());
    const auto entities = ndb::query("Person", {{"age", ndb::Op::kGreater, 50}}).fetch();
    ASSERT_EQ(entities.size(), 1u);
    EXPECT_EQ(entities[0]["name"].as_string(), "dan");
  });
}

TEST_F(Queries, ManyResultsComeInBatches) {
  in_new_context(client_, [] {
    std::vector<ndb::Entity> entities;
    for (int i = 0; i < 700; ++i) entities.push_back(ndb::Entity::make("Row", ndb::id(i + 1), {{"n", i}}));
    ndb::put_multi(entities);
    const auto query = ndb::query("Row").order(ndb::Order("n", false));
    EXPECT_EQ(query.keys().size(), 700u);
    const auto page = query.offset(600).fetch(50);
    ASSERT_EQ(page.size(), 50u);
    EXPECT_EQ(page.front()["n"].as_int64(), 600);
    EXPECT_EQ(page.back()["n"].as_int64(), 649);
  });
}

// Keys-only results pass; one known to be deleted is dropped, and the query goes on; one that is cached is replaced;
// any other goes into the cache; memcache is never touched.
TEST_F(Queries, ResultsGoThroughTheContextCache) {
  const auto counts = in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    const auto by_name = Person::query().order(Person::name);
    // Another context changes the Datastore behind this one's back.
    const Person ann = Person::get_by_id("ann", {.use_memcache = false});
    std::thread([&] {
      in_new_context(client_, [] { Person::make({.name = "ann", .age = 99}, ndb::id("ann")).put(); });
    }).join();
    const auto people = by_name.fetch();
    EXPECT_EQ(people[0]->age, 30);
    EXPECT_EQ(&people[0]->name, &ann->name);
    EXPECT_EQ(context.cache_size(), 4);
    const auto hits = context.counts().cache_hits;
    Person::get_by_id("bob");
    EXPECT_EQ(context.counts().cache_hits, hits + 1);

    // Deleted here, still there for the Datastore: the limit is filled with what comes after.
    context.set_datastore_policy([](const ndb::Key& key) { return key.string_id() != "bob"; });
    ndb::key<Person>("bob").delete_();
    EXPECT_THAT(names(by_name.fetch(2)), ElementsAre("ann", "cid"));
    EXPECT_EQ(by_name.keys().size(), 4u);

    // The query's own option counts.
    EXPECT_EQ(by_name.fetch(SIZE_MAX, {.use_cache = false})[0]->age, 99);
    context.clear_cache();
    by_name.fetch(SIZE_MAX, {.use_cache = false});
    EXPECT_EQ(context.cache_size(), 0);
    context.set_cache_policy([](const ndb::Key& key) { return key.string_id() == "cid"; });
    by_name.fetch();
    EXPECT_EQ(context.cache_size(), 1);
  });
  EXPECT_EQ(counts.memcache_reads + counts.memcache_fills, 0);
}

// A projection is what the Datastore says, whatever the context cache knows, and leaves no trace there.
TEST_F(Queries, ProjectionsPassTheContextCacheUntouched) {
  const auto counts = in_new_context(client_, [] {
    ndb::Context& context = ndb::get_context();
    Person ann = Person::get_by_id("ann", {.use_memcache = false});
    context.set_datastore_policy([](const ndb::Key& key) { return key.string_id() == "dan"; });
    ann.edit().age = 31;
    ann.put();  // to the caches alone
    ndb::key<Person>("bob").delete_();
    const auto slots = context.cache_size();
    const auto rows = Person::query(Person::age < 60).order(Person::age).project(Person::name, Person::age).fetch();
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].key(), ann.key());
    EXPECT_EQ(rows[0][Person::name], "ann");
    EXPECT_EQ(rows[0][Person::age], 30);
    EXPECT_EQ(rows[1][Person::name], "bob");
    EXPECT_EQ(context.cache_size(), slots);
    EXPECT_EQ(Person::get_by_id("ann")->age, 31);
    EXPECT_EQ(Person::query().order(Person::name).offset(1).project(Person::name).fetch(2).back()[Person::name], "cid");
  });
  EXPECT_EQ(counts.memcache_fills, 0);
}

TEST_F(Queries, ProjectionsHaveTheTypesOfTheirProperties) {
  in_new_context(client_, [] {
    const ndb::Timestamp founded{std::chrono::microseconds(1'700'000'000'123'456)};
    const ndb::Key key =
        Firm::make({.seat = {.city = "Rome"}, .revenue = 1.5, .founded = founded, .sizes = {3, 1, 2}}, ndb::id(7))
            .put();
    Firm::make({}, ndb::id(8)).put();  // has no size, so that no index of sizes has it
    const auto rows = Firm::query()
                          .order(Firm::sizes)
                          .project(Firm::seat.city, Firm::revenue, Firm::founded, Firm::sizes, Firm::label)
                          .fetch();
    ASSERT_EQ(rows.size(), 3u);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].key(), key);
      EXPECT_EQ(rows[i][Firm::seat.city], "Rome");
      EXPECT_EQ(rows[i][Firm::revenue], std::optional<double>(1.5));
      EXPECT_EQ(rows[i][Firm::founded], founded);
      EXPECT_EQ(rows[i][Firm::sizes], static_cast<std::int64_t>(i + 1));
      EXPECT_EQ(rows[i][Firm::label], "Rome!");
    }
    EXPECT_EQ(Firm::query().order(Firm::_key).project(Firm::revenue).fetch().back()[Firm::revenue], std::nullopt);

    ndb::Entity::make("Firm", ndb::id(9), {{"revenue", "much"}}).put();
    try {
      Firm::query().project(Firm::revenue).fetch();
      ADD_FAILURE();
    } catch (const ndb::BadValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("revenue"));
      EXPECT_THAT(error.what(), HasSubstr("Firm"));
    }
  });
}

TEST_F(Queries, TransactionsSeeTheirSnapshotAndTheirCache) {
  in_new_context(client_, [] {
    ndb::transaction([] {
      Person bob = Person::get_by_id("bob");
      bob.edit().age = 41;
      bob.put();
      ndb::key<Person>("cid").delete_();
      EXPECT_THAT(names(Person::query(Person::age >= 40).order(Person::age).fetch()), ElementsAre("bob", "dan"));
      EXPECT_EQ(Person::query(Person::name == "bob").get()->age, 41);
    });
    EXPECT_THAT(names(Person::query(Person::age == 41).fetch()), ElementsAre("bob"));
  });
}

TEST_F(Queries, ErrorsNameTheKind) {
  in_new_context(client_, [] {
    ndb::Entity::make("Person", ndb::id("wrong"), {{"name", "wrong"}, {"age", "old"}}).put();
    ndb::get_context().clear_cache();
    try {
      Person::query(Person::name == "wrong").fetch();
      ADD_FAILURE();
    } catch (const ndb::BadValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("Person"));
      EXPECT_THAT(error.what(), HasSubstr("age"));
    }
    EXPECT_THROW(ndb::query("").filter(ndb::Filter("x", ndb::Op::kEqual, 1)).fetch(), ndb::BadQueryError);
    EXPECT_THROW(ndb::query("Person").filter(ndb::Filter("", ndb::Op::kEqual, 1)).fetch(), ndb::BadFilterError);
    EXPECT_THROW(ndb::query("Person").filter(ndb::Filter("age", ndb::Op::kIn, 1)).fetch(), ndb::BadFilterError);
    EXPECT_THROW(ndb::query("Person").filter(ndb::Filter("age", ndb::Op::kIn, ndb::Array())).fetch(),
                 ndb::BadFilterError);
    EXPECT_THROW(ndb::query("Person").filter(ndb::Filter("age", ndb::Op::kEqual, ndb::Array{1})).fetch(),
                 ndb::BadFilterError);
    EXPECT_EQ(ndb::query("Person").filter(ndb::Filter("age", ndb::Op::kIn, ndb::Array{30, 60})).keys().size(), 2u);
  });
}

}  // namespace
