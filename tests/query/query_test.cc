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
using ::testing::UnorderedElementsAre;

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
    std::vector<Address> branches{};
    std::optional<double> revenue{};
    ndb::Timestamp founded{};
    std::vector<std::int64_t> sizes{};
    std::string label() const { return seat.city + "!"; }
  };
  NDB_MODEL(seat, branches, revenue, founded, sizes, label)
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
        {all.order(Person::name).limit(3), {"ann", "bob", "cid"}},
        {all.order(Person::name).limit(2).offset(1), {"bob", "cid"}},
        {all.in_namespace("elsewhere"), {}},
        {Person::query(Person::name.IN({"dan", "ann", "eve"})).order(Person::name), {"ann", "dan"}},
        {Person::query(Person::name.NOT_IN({"dan", "ann"})).order(Person::name), {"bob", "cid"}},
        {Person::query(Person::tags.IN({"new", "old"})), {"ann"}},
        {Person::query(Person::employer == nullptr).order(Person::name), {"ann", "cid", "dan"}},
        {Person::query(Person::_key.IN({ndb::key<Person>("bob"), ndb::key<Person>("eve")})), {"bob"}},
        {Person::query(Person::_key == ndb::key<Person>("bob")), {"bob"}},
        {Person::query(ndb::OR(Person::age < 40, Person::name == "dan")).order(Person::name), {"ann", "dan"}},
        {Person::query(ndb::OR(ndb::AND(Person::age >= 40, Person::age < 60), Person::name == "ann"))
             .order(-Person::age),
         {"cid", "bob", "ann"}},
        {Person::query(Person::tags == "vip", ndb::OR(Person::age == 30, Person::age == 40)), {"ann"}},
        {Person::query(ndb::AND(ndb::OR(Person::name == "ann", Person::name == "bob"),
                                ndb::OR(Person::age == 40, Person::age == 50))),
         {"bob"}},
        // An entity that several alternatives find is one result.
        {Person::query(ndb::OR(Person::tags == "vip", Person::tags == "new")).order(Person::name), {"ann", "cid"}},
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

TEST_F(Queries, NestedAndRepeatedProperties) {
  in_new_context(client_, [] {
    Firm::make({.seat = {.city = "Rome"}, .branches = {{.city = "Oslo"}, {.city = "Bonn"}}, .sizes = {1, 10}},
               ndb::id(1))
        .put();
    Firm::make({.seat = {.city = "Bonn"}, .branches = {{.city = "Rome"}}, .sizes = {4}}, ndb::id(2)).put();
    const auto ids = [](const ndb::Query<Firm>& query) {
      return query.keys_only().map([](const ndb::Key& key) { return *key.integer_id(); });
    };
    EXPECT_THAT(ids(Firm::query(Firm::seat.city == "Bonn")), ElementsAre(2));
    EXPECT_THAT(ids(Firm::query(Firm::branches.city == "Bonn")), ElementsAre(1));
    EXPECT_THAT(ids(Firm::query(Firm::branches.city == "Bonn", Firm::branches.city == "Oslo")), ElementsAre(1));
    EXPECT_THAT(ids(Firm::query(ndb::OR(Firm::seat.city == "Rome", Firm::branches.city == "Rome"))),
                UnorderedElementsAre(1, 2));
    EXPECT_THAT(ids(Firm::query(Firm::branches.city.IN({"Oslo", "Rome"})).order(Firm::seat.city)), ElementsAre(2, 1));
    // One element must satisfy the whole range.
    EXPECT_THAT(ids(Firm::query(Firm::sizes > 3, Firm::sizes < 5)), ElementsAre(2));
    EXPECT_THAT(ids(Firm::query(Firm::label == "Rome!")), ElementsAre(1));
  });
}

struct Room {
  std::optional<std::string> name{};
  Address town{};
  ndb::Text notes{};
  NDB_PROPERTIES(Room, name, town, notes)
};
template <bool Legacy>
class House : public ndb::Model<House<Legacy>> {
 public:
  struct Properties {
    Room best{};
    std::optional<Room> second{};
  };
  NDB_MODEL(best, second)
  static constexpr auto _kind = Legacy ? "OldHouse" : "House";
  static constexpr bool _legacy_data = Legacy;
};

template <class H>
void find_houses_by_their_rooms() {
  H::make({.best = {.name = "hall", .town = {.city = "Rome"}, .notes = ndb::Text("big")}}, ndb::id(1)).put();
  H::make({.best = {.name = "attic", .town = {.city = "Rome"}}, .second = Room{.name = "hall"}}, ndb::id(2)).put();
  const auto ids = [](const ndb::Filter& filter) {
    return H::query(filter).order(H::_key).keys_only().map([](const ndb::Key& key) { return *key.integer_id(); });
  };
  EXPECT_THAT(ids(H::best == Room{.name = "hall", .town = {.city = "Rome"}}), ElementsAre(1));
  EXPECT_THAT(ids(H::best == Room{.town = {.city = "Rome"}}), ElementsAre(1, 2));  // no name: any
  EXPECT_THAT(ids(H::best == Room{.name = "hall", .town = {.city = "Oslo"}}), IsEmpty());
  EXPECT_THAT(ids(H::best.town == Address{.city = "Rome"}), ElementsAre(1, 2));
  EXPECT_THAT(ids(H::second == Room{.name = "hall"}), ElementsAre(2));
  EXPECT_THAT(ids(H::second == std::optional<Room>()), ElementsAre(1));
  EXPECT_THAT(
      ids(ndb::OR(H::second == Room{.name = "hall"}, H::best == Room{.name = "hall", .town = {.city = "Rome"}})),
      ElementsAre(1, 2));
}

TEST_F(Queries, WholeStructs) {
  in_new_context(client_, [] {
    find_houses_by_their_rooms<House<false>>();
    find_houses_by_their_rooms<House<true>>();
  });
}

TEST_F(Queries, WithoutAKind) {
  in_new_context(client_, [] {
    Firm::make({}, ndb::id("acme"), ndb::key<Person>("ann")).put();
    const auto family = ndb::query().ancestor(ndb::key<Person>("ann"));
    EXPECT_EQ(family.fetch().size(), 3u);
    EXPECT_EQ(family.filter(Person::_key > ndb::key<Person>("ann")).keys().size(), 2u);
    EXPECT_EQ(ndb::query().fetch().size(), 5u);
    EXPECT_EQ(ndb::query().count(), 5);
  });
}

TEST_F(Queries, Namespaces) {
  in_new_context(client_, [this] {
    const ndb::Key there("Person", ndb::id("ann"), {.namespace_ = "eu"});
    Person::make(there, {.name = "other"}).put();
    EXPECT_THAT(names(Person::query().in_namespace("eu").fetch()), ElementsAre("other"));
    EXPECT_EQ(Person::query().in_namespace("eu").count(), 1);
    EXPECT_THAT(names(Person::query().ancestor(there).fetch()), ElementsAre("other"));
    EXPECT_EQ(Person::query().in_namespace("").fetch().size(), 4u);
    EXPECT_EQ(Person::query().in_namespace("eu").get().key(),
              there.in_partition({.project = project(), .namespace_ = "eu"}));
    try {
      Person::query().ancestor(there).in_namespace("us").fetch();
      ADD_FAILURE();
    } catch (const ndb::BadQueryError& error) {
      EXPECT_THAT(error.what(), HasSubstr("\"us\""));
    }
  });
  ndb::ClientOptions options = this->options();
  options.namespace_ = "eu";
  in_new_context(ndb::Client(options), [] {
    EXPECT_THAT(names(Person::query().fetch()), ElementsAre("other"));
    EXPECT_EQ(Person::query().in_namespace("").count(), 4);
  });
}

TEST_F(Queries, DistinctOn) {
  in_new_context(client_, [] {
    for (int i = 0; i < 6; ++i) {
      ndb::Entity::make("Score", ndb::id(i + 1), {{"team", i % 2 ? "b" : "a"}, {"points", i}, {"year", i / 3}}).put();
    }
    const auto scores = ndb::query("Score");
    const ndb::Order team("team", false), best("points", true);
    std::vector<std::int64_t> points;
    for (const ndb::Entity& score : scores.distinct_on({"team"}).order(team, best)) {
      points.push_back(score["points"].as_int64());
    }
    EXPECT_THAT(points, ElementsAre(4, 5));
    EXPECT_EQ(scores.project({"team"}).distinct().fetch().size(), 2u);
    EXPECT_EQ(scores.project({"team", "year"}).distinct().fetch().size(), 4u);
    EXPECT_EQ(scores.project({"team", "year"}).fetch().size(), 6u);
    EXPECT_EQ(Person::query().distinct_on(Person::tags).project(Person::tags, Person::name).fetch().size(), 2u);
    EXPECT_EQ(Person::query().project(Person::tags).distinct().fetch().size(), 2u);
    EXPECT_THROW(scores.distinct_on({""}).fetch(), ndb::BadQueryError);
  });
}

TEST_F(Queries, Aggregations) {
  in_new_context(client_, [] {
    const auto all = Person::query();
    EXPECT_EQ(all.count(), 4);
    EXPECT_EQ(all.count(3), 3);
    EXPECT_EQ(all.count(0), 0);
    EXPECT_EQ(all.limit(2).count(), 2);
    EXPECT_EQ(all.offset(3).count(), 1);
    EXPECT_EQ(Person::query(Person::age > 30).sum(Person::age), 150);
    EXPECT_EQ(all.avg(Person::age), 45);
    EXPECT_EQ(Person::query(Person::age > 99).sum(Person::age), 0);
    EXPECT_EQ(Person::query(Person::age > 99).avg(Person::age), std::nullopt);
    EXPECT_EQ(all.sum("age"), ndb::Value(180));
    EXPECT_EQ(all.avg("name"), std::nullopt);

    const auto queries = ndb::get_context().counts().queries;
    const auto [n, up_to, years, mean] =
        all.aggregate(ndb::count(), ndb::count(2), ndb::sum(Person::age), ndb::avg(Person::age));
    static_assert(std::same_as<decltype(years), const std::int64_t>);
    EXPECT_EQ(n, 4);
    EXPECT_EQ(up_to, 2);
    EXPECT_EQ(years, 180);
    EXPECT_EQ(mean, 45.0);
    EXPECT_EQ(ndb::get_context().counts().queries, queries + 1);

    const auto count = all.count_async();
    const auto sum = all.sum_async(Person::age);
    const auto avg = all.avg_async("age");
    const auto both = all.aggregate_async(ndb::count(), ndb::sum("age"));
    EXPECT_EQ(count.get() + sum.get(), 184);
    EXPECT_EQ(avg.get(), 45);
    EXPECT_EQ(both.get(), std::tuple(4, ndb::Value(180)));

    Firm::make({.revenue = 1.5}, ndb::id(1)).put();
    Firm::make({.revenue = 2.0}, ndb::id(2)).put();
    EXPECT_EQ(Firm::query().sum(Firm::revenue), 3.5);

    // The Datastore counts, whatever this context knows; a count in a transaction uses its snapshot.
    ndb::get_context().set_datastore_policy(false);
    ndb::key<Person>("ann").delete_();
    ndb::get_context().set_datastore_policy(nullptr);
    EXPECT_EQ(all.count(), 4);
    ndb::transaction([&] {
      Person::make({.name = "eve", .age = 20}, ndb::id("eve")).put();
      EXPECT_EQ(all.count(), 4);
    });
    EXPECT_EQ(all.count(), 5);
  });
}

TEST_F(Queries, SumsThatDoNotFitTheirType) {
  in_new_context(client_, [] {
    ndb::Entity::make("Person", ndb::id("old"), {{"name", "old"}, {"age", INT64_MAX}}).put();
    const auto bad_sum = [](auto&& ask) -> std::string {
      try {
        ask();
      } catch (const ndb::BadValueError& error) {
        return error.what();
      }
      return "no error";
    };
    EXPECT_THAT(bad_sum([] { Person::query().sum(Person::age); }), HasSubstr("the sum of \"age\""));
    EXPECT_EQ(Person::query().sum("age").type(), ndb::ValueType::kDouble);
    EXPECT_THROW(Person::query().sum(""), ndb::BadQueryError);
    EXPECT_THROW(Person::query().avg("__key__"), ndb::Error);
    EXPECT_THROW(
        Person::query().aggregate(ndb::count(), ndb::count(), ndb::count(), ndb::count(), ndb::count(), ndb::count()),
        ndb::Error);
  });
}

TEST_F(Queries, ProjectionsByName) {
  in_new_context(client_, [] {
    const ndb::Timestamp founded{std::chrono::microseconds(1'700'000'000'123'456)};
    ndb::Entity::make("Event", ndb::id(1), {{"at", founded}, {"n", 3}, {"what", "x"}}).put();
    const auto rows = ndb::query("Event").project({"at", "n"}).fetch();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0]["at"].as_timestamp(), founded);
    EXPECT_EQ(rows[0]["n"].as_int64(), 3);
    EXPECT_EQ(rows[0].key(), ndb::Key("Event", ndb::id(1)));
    EXPECT_FALSE(rows[0].contains("what"));
    EXPECT_EQ(rows[0].values().size(), 2u);
    try {
      rows[0]["what"];
      ADD_FAILURE();
    } catch (const ndb::UnprojectedPropertyError& error) {
      EXPECT_THAT(error.what(), HasSubstr("\"what\""));
      EXPECT_THAT(error.what(), HasSubstr("Event"));
    }
    EXPECT_FALSE(ndb::query("Event").project({"nothing"}).get());
    EXPECT_THROW(ndb::query("Event").project(std::vector<std::string>{}).fetch(), ndb::BadQueryError);
    EXPECT_THROW(ndb::query("Event").project({"n", ""}).fetch(), ndb::BadQueryError);
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

// Keys-only results are returned as they are; an entity that is known to be deleted is dropped, and the query
// continues; a cached one replaces the result; any other is cached; memcache is never used.
TEST_F(Queries, ResultsGoThroughTheContextCache) {
  const auto counts = in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    const auto by_name = Person::query().order(Person::name);
    // Another context changes the Datastore without this one's knowledge.
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

    // Deleted here, but still in the Datastore: the limit is filled with later results.
    context.set_datastore_policy([](const ndb::Key& key) { return key.string_id() != "bob"; });
    ndb::key<Person>("bob").delete_();
    EXPECT_THAT(names(by_name.fetch(2)), ElementsAre("ann", "cid"));
    EXPECT_EQ(by_name.keys().size(), 4u);

    // The query's own option decides.
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

// A projection shows the Datastore's values, whatever the context cache has, and is not cached.
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
    using ndb::Filter, ndb::Op;
    const auto people = ndb::query("Person");
    Filter deep("age", Op::kEqual, 1);
    for (int i = 0; i < 101; ++i) {
      deep = ndb::OR(Filter("a", Op::kEqual, i), ndb::AND(Filter("b", Op::kEqual, i), std::move(deep)));
    }
    struct Bad {
      Filter filter;
      std::string says;
    };
    for (const Bad& bad : std::vector<Bad>{
             {Filter("", Op::kEqual, 1), "no property"},
             {Filter("age", Op::kIn, 1), "needs a list"},
             {Filter("age", Op::kNotIn, ndb::Array()), "needs a list"},
             {Filter("age", Op::kEqual, ndb::Array{1}), "compares with a list"},
             {Filter("__key__", Op::kEqual, 1), "needs a key"},
             {Filter("__key__", Op::kIn, ndb::Array{1}), "needs a key"},
             {ndb::OR(std::vector<Filter>{}), "an OR of no filters"},
             {ndb::AND(std::vector<Filter>{}), "an AND of no filters"},
             {ndb::OR(Filter("x", Op::kEqual, 1), Filter("", Op::kEqual, 1)), "no property"},
             {deep, "100 deep"},
             {Filter("age", Op::kEqual, std::string("\xff")), "\"age\""},
         }) {
      try {
        people.filter(bad.filter).fetch();
        ADD_FAILURE() << bad.says;
      } catch (const ndb::Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(bad.says));
        EXPECT_THAT(error.what(), HasSubstr("query of kind \"Person\""));
        EXPECT_EQ(error.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
    EXPECT_THROW(people.filter(deep).fetch(), ndb::BadFilterError);
    EXPECT_THROW(ndb::query().filter(Filter("x", Op::kEqual, 1)).fetch(), ndb::BadQueryError);
    EXPECT_THROW(people.order(ndb::Order("", false)).fetch(), ndb::BadQueryError);
    EXPECT_THROW(people.ancestor(ndb::Key("Person", ndb::Id())).fetch(), ndb::BadQueryError);
    EXPECT_THROW(people.fetch(1, {.deadline = std::chrono::milliseconds(-1)}), ndb::BadArgumentError);
    EXPECT_THROW(people.count(1, {.retries = -1}), ndb::BadArgumentError);
    const ndb::Options eventual{.read_consistency = ndb::ReadConsistency::kEventual};
    EXPECT_EQ(people.keys(SIZE_MAX, eventual).size(), 5u);
    ndb::transaction([&] {
      EXPECT_THROW(people.fetch(1, eventual), ndb::BadRequestError);
      EXPECT_THROW(people.count(1, eventual), ndb::BadRequestError);
    });
    EXPECT_EQ(ndb::query("Person").filter(ndb::Filter("age", ndb::Op::kIn, ndb::Array{30, 60})).keys().size(), 2u);
  });
}

}  // namespace
