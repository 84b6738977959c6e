// Entities that do not fit the class: the error belongs to one result, in every form of a query.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/compression.h"
#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
    std::int64_t rank = 0;
  };
  NDB_MODEL(n, rank)
};

class Animal : public ndb::PolyModel<Animal> {
 public:
  struct Properties {
    std::int64_t age = 0;
  };
  NDB_MODEL(age)
};
class Cat : public ndb::PolyModel<Cat, Animal> {
 public:
  struct Properties : Animal::Properties {
    bool purrs = true;
  };
  NDB_MODEL(purrs)
};
class Dog : public ndb::PolyModel<Dog, Animal> {
 public:
  struct Properties : Animal::Properties {
    bool barks = true;
  };
  NDB_MODEL(barks)
};

// Items 1 to 8 in the order of their rank. 3, 4 and 8 have a text where the class has a number.
class ItemErrors : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      for (int i = 1; i <= 8; ++i) {
        const bool bad = i == 3 || i == 4 || i == 8;
        ndb::Entity::make("Item", ndb::id(i), {{"n", bad ? ndb::Value("text") : ndb::Value(i)}, {"rank", i}})
            .put_async();
      }
    });
  }
  static ndb::Query<Item> by_rank() { return Item::query().order(Item::rank); }
  static std::vector<std::int64_t> numbers(const std::vector<Item>& items) {
    std::vector<std::int64_t> numbers;
    for (const Item& item : items) numbers.push_back(item->n);
    return numbers;
  }
  // Collects the ids of skipped results, in order.
  ndb::ErrorHandler collect() {
    return [this](const ndb::Key& key, const absl::Status& status) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(key.to_string()));
      EXPECT_THAT(std::string(status.message()), HasSubstr("query of kind \"Item\""));
      passed_over_.push_back(*key.integer_id());
    };
  }
  std::vector<std::int64_t> passed_over() { return std::exchange(passed_over_, {}); }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
  std::vector<std::int64_t> passed_over_{};
};

TEST_F(ItemErrors, ByDefaultTheFirstIsThrownAndNamesItsEntity) {
  in_new_context(client_, [] {
    for (const std::function<void()>& ask : std::vector<std::function<void()>>{
             [] { by_rank().fetch(); },
             [] { by_rank().fetch_async().get(); },
             [] { by_rank().offset(2).get(); },
             [] { by_rank().fetch_page(3); },
             [] { by_rank().project(Item::n, Item::rank).fetch(); },
             [] { Item::gql("ORDER BY rank").fetch(); },
         }) {
      try {
        ask();
        ADD_FAILURE();
      } catch (const ndb::BadValueError& error) {
        EXPECT_THAT(error.what(), HasSubstr("Key('Item', 3"));
      }
    }
    EXPECT_THAT(numbers(by_rank().fetch(2)), ElementsAre(1, 2));  // nobody gets as far
    EXPECT_EQ(by_rank().project({"n"}).fetch().size(), 8u);       // by name every type fits
  });
}

TEST_F(ItemErrors, AnIterationGoesOnBehindThem) {
  for (const int batch_size : {0, 1, 3}) {
    stub_->batch_size = batch_size;
    in_new_context(client_, [] {
      std::vector<std::int64_t> good;
      int bad = 0;
      for (auto items = by_rank().iterate(); items.has_next();) {
        try {
          good.push_back(items.next()->n);
        } catch (const ndb::BadValueError&) {
          ++bad;
        }
      }
      EXPECT_THAT(good, ElementsAre(1, 2, 5, 6, 7));
      EXPECT_EQ(bad, 3);

      good.clear();
      std::vector<std::string> errors;
      for (auto items = by_rank().iterate(); items.has_next();) {
        const absl::StatusOr<Item> item = items.try_next();
        if (item.ok()) {
          good.push_back((*item)->n);
        } else {
          errors.emplace_back(item.status().message());
        }
      }
      EXPECT_THAT(good, ElementsAre(1, 2, 5, 6, 7));
      EXPECT_THAT(errors, ElementsAre(HasSubstr("'Item', 3"), HasSubstr("'Item', 4"), HasSubstr("'Item', 8")));

      // A loop over an iteration continues where an earlier one stopped.
      good.clear();
      const auto items = by_rank().iterate();
      for (int errors_seen = 0; errors_seen <= 3;) {
        try {
          for (const Item& item : items) good.push_back(item->n);
          break;
        } catch (const ndb::BadValueError&) {
          ++errors_seen;
        }
      }
      EXPECT_THAT(good, ElementsAre(1, 2, 5, 6, 7));

      auto rows = by_rank().project(Item::n, Item::rank).iterate();
      rows.next();
      rows.next();
      EXPECT_THROW(rows.next(), ndb::BadValueError);
      EXPECT_FALSE(rows.try_next().ok());
      EXPECT_EQ(rows.next()[Item::rank], 5);
    });
  }
}

TEST_F(ItemErrors, AHandlerGetsThemAndTheLimitIsFilled) {
  for (const int batch_size : {0, 1, 2, 3}) {
    SCOPED_TRACE(batch_size);
    stub_->batch_size = batch_size;
    in_new_context(client_, [&] {
      const auto query = by_rank().on_error(collect());
      EXPECT_THAT(numbers(query.fetch()), ElementsAre(1, 2, 5, 6, 7));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 8));
      EXPECT_THAT(numbers(query.fetch(3)), ElementsAre(1, 2, 5));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4));
      EXPECT_THAT(numbers(query.limit(2).fetch()), ElementsAre(1, 2));
      EXPECT_THAT(passed_over(), ElementsAre());
      EXPECT_THAT(numbers(query.fetch_async().get()), ElementsAre(1, 2, 5, 6, 7));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 8));
      EXPECT_EQ(query.offset(2).get()->n, 5);
      EXPECT_EQ(query.offset(2).get_async().get()->n, 5);
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 3, 4));
      EXPECT_FALSE(query.offset(7).get());
      EXPECT_THAT(passed_over(), ElementsAre(8));

      std::vector<std::int64_t> seen;
      for (const Item& item : query) seen.push_back(item->n);
      EXPECT_THAT(seen, ElementsAre(1, 2, 5, 6, 7));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 8));
      EXPECT_THAT(query.map([](const Item& item) { return item->n; }, 4), ElementsAre(1, 2, 5, 6));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4));
      EXPECT_THAT(query.map_async([](const Item& item) { return item->n; }, 3).get(), ElementsAre(1, 2, 5));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4));

      std::vector<std::int64_t> ranks;
      for (const auto& row : query.project(Item::n, Item::rank).fetch(3)) ranks.push_back(row[Item::rank]);
      EXPECT_THAT(ranks, ElementsAre(1, 2, 5));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4));
      EXPECT_EQ(by_rank().project(Item::n, Item::rank).on_error(collect()).fetch().size(), 5u);
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 8));
      EXPECT_EQ(query.keys().size(), 8u);  // which nothing is wrong with
    });
  }
}

TEST_F(ItemErrors, OfGqlToo) {
  in_new_context(client_, [] {
    std::vector<std::string> names;
    const auto name = [&](const ndb::Key& key, const absl::Status&) { names.push_back(key.to_string()); };
    EXPECT_THAT(numbers(Item::gql("ORDER BY rank LIMIT 4").on_error(name).fetch()), ElementsAre(1, 2, 5, 6));
    EXPECT_EQ(names.size(), 2u);
    names.clear();
    EXPECT_EQ(ndb::gql<Item>("SELECT n, rank FROM Item").on_error(name).project(Item::n, Item::rank).fetch().size(),
              5u);
    EXPECT_EQ(names.size(), 3u);
    names.clear();
    EXPECT_TRUE(ndb::gql<Cat>("SELECT * FROM Item").on_error(name).fetch().empty());  // another kind
    EXPECT_EQ(names.size(), 8u);
  });
}

// Page by page, each entity is either returned or passed to the handler, once; also if a bad one is at the end of a
// page.
TEST_F(ItemErrors, PagesGoPastThem) {
  for (const std::size_t size : {1U, 2U, 3U, 5U, 8U}) {
    in_new_context(client_, [&] {
      std::vector<std::int64_t> seen;
      ndb::Cursor cursor;
      for (bool more = true; more;) {
        const auto page = by_rank().on_error(collect()).fetch_page(size, cursor);
        for (const Item& item : page.results) seen.push_back(item->n);
        cursor = page.cursor;
        more = page.more;
      }
      EXPECT_THAT(seen, ElementsAre(1, 2, 5, 6, 7));
      EXPECT_THAT(passed_over(), ElementsAre(3, 4, 8));
    });
  }
}

TEST_F(ItemErrors, MapCallsItsFunctionWithAllOthers) {
  in_new_context(client_, [] {
    std::vector<std::int64_t> seen;
    EXPECT_THROW(by_rank().map([&](const Item& item) { seen.push_back(item->n); }), ndb::BadValueError);
    EXPECT_THAT(seen, ElementsAre(1, 2, 5, 6, 7));
  });
}

TEST_F(ItemErrors, AnExceptionOfAHandlerReachesTheCallerAndTheQueryContinues) {
  in_new_context(client_, [] {
    auto items = by_rank()
                     .on_error([](const ndb::Key& key, const absl::Status&) {
                       if (key.integer_id() == 4) throw std::runtime_error("enough");
                     })
                     .iterate();
    EXPECT_EQ(items.next()->n, 1);
    EXPECT_EQ(items.next()->n, 2);
    EXPECT_THROW(items.has_next(), std::runtime_error);
    EXPECT_EQ(items.next()->n, 5);
  });
}

TEST_F(ItemErrors, EachKeyOfAGetHasItsOwn) {
  std::vector<ndb::Key> keys;
  for (const int id : {8, 1, 9, 3, 2}) keys.push_back(ndb::key<Item>(id));
  for (int round = 0; round < 2; ++round) {  // from the Datastore, then from memcache
    in_new_context(client_, [&] {
      EXPECT_THROW(ndb::get_multi<Item>(keys), ndb::BadValueError);
      const std::vector<absl::StatusOr<Item>> items = ndb::try_get_multi<Item>(keys);
      ASSERT_EQ(items.size(), 5u);
      EXPECT_THAT(std::string(items[0].status().message()), HasSubstr("Key('Item', 8"));
      EXPECT_EQ(items[1].value()->n, 1);
      EXPECT_FALSE(items[2].value());
      EXPECT_FALSE(items[3].ok());
      EXPECT_EQ(items[4].value()->n, 2);
      const auto futures = ndb::get_multi_async<Item>(keys);
      EXPECT_FALSE(futures[0].try_get().ok());
      EXPECT_EQ(futures[1].get()->n, 1);
    });
  }
}

// The context has the animal in another class than the Datastore's index, which lags behind: it is no longer a result.
TEST_F(ItemErrors, AnAnimalThatHasChangedItsClassIsDropped) {
  in_new_context(client_, [] {
    for (int i = 1; i <= 3; ++i) Cat::make({}, ndb::id(i)).put();
    ndb::get_context().clear_cache();
    ndb::transaction([] {
      Dog::make(ndb::Key("Animal", ndb::id(2)), {}).put();
      EXPECT_EQ(Cat::query().fetch().size(), 2u);
      EXPECT_EQ(Cat::query().fetch(2).size(), 2u);
      ndb::Entity::make("Animal", ndb::id(3), {{"class", ndb::Array{"Animal", "Dog"}}, {"age", 1}}).put();
      EXPECT_EQ(Cat::query().fetch().size(), 1u);
      EXPECT_EQ(Animal::query().fetch().size(), 3u);
    });
  });
  // What the context has is older than the result: then the result counts.
  in_new_context(client_, [&] {
    EXPECT_TRUE(Animal::get_by_id(2).as<Dog>());
    std::thread([&] { in_new_context(client(), [] { Cat::make(ndb::Key("Animal", ndb::id(2)), {}).put(); }); }).join();
    EXPECT_EQ(Cat::query().fetch().size(), 2u);
    EXPECT_TRUE(Animal::get_by_id(2).as<Cat>());
  });
}

// An empty key as ancestor, such as parent() of a root, must not become a query of the whole kind.
TEST_F(ItemErrors, AnEmptyKeyIsNoWayToSayNone) {
  in_new_context(client_, [] {
    const ndb::Key root("Item", ndb::id("root"));
    for (const ndb::Key& bad : {root.parent(), ndb::Key("Item", ndb::Id())}) {
      const auto query = Item::query().ancestor(bad);
      EXPECT_THROW(query.fetch(), ndb::BadQueryError);
      EXPECT_THROW(query.keys(), ndb::BadQueryError);
      EXPECT_THROW(query.count(), ndb::BadQueryError);
      EXPECT_THROW(query.project(Item::n).fetch(), ndb::BadQueryError);
      EXPECT_THROW(query.iterate(), ndb::BadQueryError);
      EXPECT_THROW(query.in_namespace("a").fetch(), ndb::BadQueryError);
      EXPECT_THROW(Item::allocate_ids(1, bad), ndb::BadKeyError);
      EXPECT_THROW(Item::allocate_ids_async(1, bad).get(), ndb::BadKeyError);
      EXPECT_THROW(Item::make({}, ndb::id(1), bad), ndb::BadKeyError);
      EXPECT_THROW(Item::get_by_id(1, bad), ndb::BadKeyError);
      EXPECT_THROW(Item::get_or_insert("a", bad), ndb::BadKeyError);
      EXPECT_THROW(ndb::key<Item>(1, bad), ndb::BadKeyError);
      EXPECT_THROW(Item::query(Item::_key > bad).fetch(), ndb::Error);
      EXPECT_THROW(Item::gql("WHERE __key__ HAS ANCESTOR @1", bad).fetch(), ndb::Error);
      EXPECT_THROW(ndb::get_context().invalidate(bad), ndb::BadKeyError);
    }
    EXPECT_EQ(Item::allocate_ids(1, {}, {.deadline = std::chrono::seconds(30)}).size(), 1u);  // {}: none
  });
}

class Packed : public ndb::Model<Packed> {
 public:
  struct Properties {
    ndb::Text text{};
  };
  NDB_MODEL((text, .compressed = true))
};

// What the entities of one answer are decompressed to has one budget, as in a get of many.
TEST_F(ItemErrors, EntitiesOfOneAnswerShareABudget) {
  constexpr int kEntities = 18;  // of 60 MiB: the last one is too much for a GiB
  ndb::Value packed = ndb::Blob(ndb::detail::deflated(std::string(60 << 20, 'x')));
  packed.set_meaning(22).set_indexed(false);
  in_new_context(client_, [&] {
    for (int i = 1; i <= kEntities; ++i) ndb::Entity::make("Packed", ndb::id(i), {{"text", packed}}).put_async();
  });
  in_new_context(client_, [&] {
    std::string why;
    const auto note = [&](const ndb::Key& key, const absl::Status& status) {
      passed_over_.push_back(*key.integer_id());
      why = std::string(status.message());
    };
    int found = 0;
    for (const Packed& one : Packed::query().on_error(note).iterate(300, {.use_cache = false})) {
      found += static_cast<int>(one->text.size() == std::size_t{60} << 20);
    }
    EXPECT_EQ(found, kEntities - 1);
    EXPECT_THAT(passed_over(), ElementsAre(kEntities));
    EXPECT_THAT(why, HasSubstr("the entities of one batch may take 1 GiB in memory"));
    // The next answer has a budget of its own.
    EXPECT_TRUE(Packed::query().filter(Packed::_key == ndb::key<Packed>(kEntities)).get({.use_cache = false}));
  });
}

}  // namespace
