// Random queries over random entities, some of which are changed only in the context cache, compared with a simple
// evaluation of the same filters; in all forms, and in batches of all sizes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::Filter;
using ndb::Op;
using ndb::testing::QueryStub;
using ndb::testing::Tiers;

class Thing : public ndb::Model<Thing> {
 public:
  struct Properties {
    std::int64_t a = 0;
    std::int64_t b = 0;
    std::vector<std::string> tags{};
    std::string note{};
  };
  NDB_MODEL(a, b, tags, note)
};

struct Plain {
  std::int64_t id = 0, a = 0, b = 0;
  std::set<std::string> tags{};
};

class RandomQueries : public Tiers {
 protected:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  // At most one != per query, as the Datastore allows.
  Filter random_filter(int depth) {
    if (depth > 0 && chance(45)) {
      std::vector<Filter> parts;
      for (int i = 0, n = 1 + below(3); i < n; ++i) parts.push_back(random_filter(depth - 1));
      return chance(50) ? ndb::AND(std::move(parts)) : ndb::OR(std::move(parts));
    }
    if (chance(20)) return Thing::tags == std::string(1, static_cast<char>('x' + below(3)));
    const bool a = chance(50);
    const std::int64_t value = below(6);
    switch (below(6)) {
      case 0:
        return a ? Thing::a == value : Thing::b == value;
      case 1:
        return a ? Thing::a < value : Thing::b < value;
      case 2:
        return a ? Thing::a >= value : Thing::b >= value;
      case 3:
        return a ? Thing::a > value : Thing::b > value;
      case 4:
        if (!std::exchange(unequal_, true)) return a ? Thing::a != value : Thing::b != value;
        [[fallthrough]];
      default:
        return a ? Thing::a.IN({value, value + 2}) : Thing::b.IN({value, value + 1});
    }
  }

  static bool holds(const Filter& filter, const Plain& plain) {
    const auto part_holds = [&](const Filter& part) { return holds(part, plain); };
    if (filter.op == Op::kAnd) return std::ranges::all_of(filter.parts, part_holds);
    if (filter.op == Op::kOr) return std::ranges::any_of(filter.parts, part_holds);
    if (filter.property == "tags") return plain.tags.contains(filter.value.as_string());
    const std::int64_t value = filter.property == "a" ? plain.a : plain.b;
    if (filter.op == Op::kIn) {
      return std::ranges::any_of(filter.value.as_array(), [&](const ndb::Value& v) { return v.as_int64() == value; });
    }
    const std::int64_t other = filter.value.as_int64();
    switch (filter.op) {
      case Op::kEqual:
        return value == other;
      case Op::kNotEqual:
        return value != other;
      case Op::kLess:
        return value < other;
      case Op::kLessOrEqual:
        return value <= other;
      case Op::kGreater:
        return value > other;
      default:
        return value >= other;
    }
  }

  void make_entities() {
    for (int i = 1; i <= 40; ++i) {
      Plain plain{.id = i, .a = below(6), .b = below(6), .tags = {"always"}};
      for (const char* tag : {"x", "y", "z"}) {
        if (chance(40)) plain.tags.insert(tag);
      }
      plain_.push_back(plain);
    }
    in_new_context(client_, [&] {
      std::vector<Thing> things;
      for (const Plain& p : plain_) {
        things.push_back(Thing::make({.a = p.a, .b = p.b, .tags = {p.tags.begin(), p.tags.end()}}, ndb::id(p.id)));
      }
      ndb::put_multi(things);
    });
  }

  // Changes this context only: some entities are deleted, some have a note.
  void change_here() {
    gone_.clear();
    noted_.clear();
    ndb::get_context().set_datastore_policy(false);
    for (const Plain& p : plain_) {
      if (chance(20)) {
        ndb::key<Thing>(p.id).delete_();
        gone_.insert(p.id);
      } else if (chance(20)) {
        Thing::make({.a = p.a, .b = p.b, .note = "cached"}, ndb::id(p.id)).put();
        noted_.insert(p.id);
      }
    }
    ndb::get_context().set_datastore_policy(nullptr);
  }

  void check(const std::vector<Thing>& things, const std::vector<std::int64_t>& expected) {
    std::vector<std::int64_t> ids;
    for (const Thing& thing : things) {
      ids.push_back(*thing.key().integer_id());
      EXPECT_EQ(thing->note, noted_.contains(ids.back()) ? "cached" : "") << ids.back();
    }
    EXPECT_EQ(ids, expected);
  }

  void check_all_forms(const ndb::Query<Thing>& query, std::size_t offset, std::size_t limit,
                       const std::vector<std::int64_t>& matching) {
    // An offset counts the Datastore's results, the limit those that are returned.
    std::vector<std::int64_t> expected, there;
    for (std::size_t i = std::min(offset, matching.size()); i < matching.size(); ++i) {
      if (there.size() < limit) there.push_back(matching[i]);
      if (expected.size() < limit && !gone_.contains(matching[i])) expected.push_back(matching[i]);
    }
    check(query.fetch(), expected);
    std::vector<Thing> things;
    for (const Thing& thing : query) things.push_back(thing);
    check(things, expected);
    check(query.map([](const Thing& thing) { return thing; }), expected);
    check(query.fetch_async().get(), expected);
    EXPECT_EQ(query.keys_only().map([](const ndb::Key& key) { return *key.integer_id(); }), there);
    EXPECT_EQ(query.count(), static_cast<std::int64_t>(there.size()));

    // Pages and get() have a limit of their own.
    const auto size = static_cast<std::size_t>(1 + below(7));
    things.clear();
    ndb::Cursor cursor;
    for (bool more = true; more;) {
      auto page = query.fetch_page(size, cursor);
      EXPECT_TRUE(page.results.size() == size || !page.more);
      things.insert(things.end(), page.results.begin(), page.results.end());
      cursor = page.cursor;
      more = page.more;
    }
    expected.clear();
    for (std::size_t i = std::min(offset, matching.size()); i < matching.size(); ++i) {
      if (!gone_.contains(matching[i])) expected.push_back(matching[i]);
    }
    check(things, expected);
    expected.resize(std::min<std::size_t>(expected.size(), 1));
    const Thing first = query.get();
    check(first ? std::vector{first} : std::vector<Thing>(), expected);
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
  std::mt19937 random_;
  bool unequal_ = false;
  std::vector<Plain> plain_;
  std::set<std::int64_t> gone_, noted_;
};

TEST_F(RandomQueries, AgreeWithAPlainEvaluationInAllForms) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random_.seed(seed);
  make_entities();
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    unequal_ = false;
    const Filter filter = random_filter(2);
    const bool by_a = chance(50), descending = chance(50);
    const auto offset = static_cast<std::size_t>(chance(30) ? below(10) : 0);
    const std::size_t limit = chance(50) ? static_cast<std::size_t>(below(12)) : ndb::kNoLimit;
    stub_->batch_size = chance(70) ? 1 + below(6) : 0;

    std::vector<Plain> found;
    std::ranges::copy_if(plain_, std::back_inserter(found), [&](const Plain& p) { return holds(filter, p); });
    std::ranges::sort(found, {}, [&](const Plain& p) {
      const std::int64_t value = by_a ? p.a : p.b;
      return std::tuple(descending ? -value : value, by_a ? p.b : p.a, p.id);
    });
    std::vector<std::int64_t> matching;
    for (const Plain& p : found) matching.push_back(p.id);

    const ndb::Order first(by_a ? "a" : "b", descending), second(by_a ? "b" : "a", false), last("__key__", false);
    const auto query = Thing::query(filter).order(first, second, last).offset(offset).limit(limit);
    SCOPED_TRACE("round " + std::to_string(round) + ", batches of " + std::to_string(stub_->batch_size));
    in_new_context(client_, [&] {
      change_here();
      try {
        check_all_forms(query, offset, limit, matching);
      } catch (const ndb::Error& error) {
        // Too many alternatives; any other error is a bug.
        if (std::string(error.what()).find("disjunctions") == std::string::npos) throw;
      }
    });
  }
}

}  // namespace
