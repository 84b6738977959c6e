#include "ndb/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ndb/error.h"
#include "ndb/model.h"

namespace ndb {

// Stands in for ndb/query.h, which this room may not include.
template <class M>
class Query {
 public:
  explicit Query(std::vector<Filter> f) : filters(std::move(f)) {}
  std::vector<Filter> filters;
};

namespace {

using ::testing::HasSubstr;

struct Place {
  double lat = 0;
  std::string secret{};
  NDB_PROPERTIES(Place, lat, (secret, .indexed = false))
};
struct Address {
  std::string city{};
  std::optional<std::string> name{};
  Place place{};
  NDB_PROPERTIES(Address, city, (name, .name = "n"), place)
};
class Customer : public Model<Customer> {
 public:
  struct Properties {
    std::string name{};
    std::int32_t age = 0;
    bool active = false;
    double score = 0;
    std::vector<std::string> tags{};
    std::optional<Key> employer{};
    Address home{};
    std::optional<Address> work{};
    std::vector<Address> others{};
    Timestamp updated{};
    GeoPoint spot{};
    Value any{};
    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL(name, (age, .name = "a"), active, score, tags, employer, home, work, others, updated, spot, any, initial)
};

TEST(FilterTest, ComparisonsMakeFilters) {
  const Key boss("Customer", id("bob"));
  const std::optional<Key> maybe = boss;
  const Timestamp now(std::chrono::seconds(5));
  const struct {
    Filter filter;
    std::string property;
    Op op;
    Value value;
  } cases[] = {
      {Customer::name == "Ada", "name", Op::kEqual, "Ada"},
      {Customer::name != std::string("Ada"), "name", Op::kNotEqual, "Ada"},
      {Customer::age > 30, "a", Op::kGreater, 30},
      {Customer::age >= std::size_t{30}, "a", Op::kGreaterOrEqual, 30},
      {Customer::age < INT64_MAX, "a", Op::kLess, INT64_MAX},
      {Customer::score <= 1, "score", Op::kLessOrEqual, 1.0},
      {Customer::active == true, "active", Op::kEqual, true},
      {Customer::tags == std::string_view("vip"), "tags", Op::kEqual, "vip"},
      {Customer::employer == boss, "employer", Op::kEqual, boss},
      {Customer::employer == maybe, "employer", Op::kEqual, boss},
      {Customer::employer == nullptr, "employer", Op::kEqual, nullptr},
      {Customer::employer != std::nullopt, "employer", Op::kNotEqual, nullptr},
      {Customer::home.city == "London", "home.city", Op::kEqual, "London"},
      {Customer::work.name == "HQ", "work.n", Op::kEqual, "HQ"},
      {Customer::others.place.lat < 1, "others.place.lat", Op::kLess, 1.0},
      {Customer::updated > now, "updated", Op::kGreater, now},
      {Customer::updated > std::chrono::sys_days(), "updated", Op::kGreater, Timestamp()},
      {Customer::spot == GeoPoint{1, 2}, "spot", Op::kEqual, GeoPoint{1, 2}},
      {Customer::any == 5, "any", Op::kEqual, 5},
      {Customer::any == "x", "any", Op::kEqual, "x"},
      {Customer::initial == "A", "initial", Op::kEqual, "A"},
      {Customer::_key > boss, "__key__", Op::kGreater, boss},
      {Customer::age.IN({1, 2}), "a", Op::kIn, Array{1, 2}},
      {Customer::tags.IN(std::vector<std::string>{"x"}), "tags", Op::kIn, Array{"x"}},
      {Customer::home.city.NOT_IN({"a", "b"}), "home.city", Op::kNotIn, Array{"a", "b"}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.filter.property, c.property);
    EXPECT_EQ(c.filter.op, c.op) << c.property;
    EXPECT_EQ(c.filter.value, c.value) << c.property;
    EXPECT_EQ(c.filter.value.type(), c.value.type()) << c.property;
  }
  EXPECT_THROW(static_cast<void>(Customer::age > UINT64_MAX), BadValueError);
  EXPECT_EQ(Customer::query(Customer::age > 30, Customer::tags == "vip").filters.size(), 2u);
}

struct Hidden {
  std::optional<std::string> name{};
  std::string secret{};
  NDB_PROPERTIES(Hidden, name, (secret, .indexed = false))
};
struct Contents {
  std::optional<Place> where{};
  std::vector<std::string> labels{};
  Key owner{};
  Value any{};
  Text note{};
  std::string both() const { return labels.empty() ? "none" : labels.front(); }
  NDB_PROPERTIES(Contents, where, labels, owner, any, note, both)
};
class Box : public Model<Box> {
 public:
  struct Properties {
    std::optional<Contents> contents{};
    Hidden hidden{};
  };
  NDB_MODEL(contents, hidden)
};

// The server would compare with the nearest double, which is another number.
TEST(FilterTest, ADoubleIsComparedWithIntegersThatDoublesCanBe) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  EXPECT_EQ((Customer::score < kExact).value, Value(0x1p53));
  EXPECT_EQ((Customer::score < kExact + 2).value, Value(0x1p53 + 2));
  EXPECT_EQ((Customer::score > INT64_MIN).value, Value(-0x1p63));
  EXPECT_EQ((Customer::score > std::uint64_t{1} << 63).value, Value(0x1p63));
  for (const std::int64_t integer : {kExact + 1, -kExact - 1, INT64_MAX, INT64_MIN + 1}) {
    EXPECT_THROW((void)(Customer::score == integer), BadFilterError) << integer;
    EXPECT_THROW((void)Customer::score.IN({std::int64_t{1}, integer}), BadFilterError) << integer;
  }
  EXPECT_THROW((void)(Customer::score == UINT64_MAX), BadFilterError);
}

TEST(FilterTest, AWholeStructComparesItsNonNullProperties) {
  const auto shown = [](const Filter& filter) {
    std::string text;
    const auto add = [&](const Filter& part) {
      EXPECT_EQ(part.op, Op::kEqual);
      text += part.property + "=" + part.value.to_string() + " ";
    };
    if (filter.op == Op::kAnd) {
      std::for_each(filter.parts.begin(), filter.parts.end(), add);
    } else {
      add(filter);
    }
    return text;
  };
  EXPECT_EQ(shown(Customer::home == Address{.city = "Oslo", .name = "HQ", .place = {.lat = 2, .secret = "x"}}),
            R"(home.city="Oslo" home.n="HQ" home.place.lat=2 )");
  EXPECT_EQ(shown(Customer::home == Address{}), R"(home.city="" home.place.lat=0 )");  // null ones are left out
  EXPECT_EQ(shown(Customer::work == Address{.city = "Oslo"}), R"(work.city="Oslo" work.place.lat=0 )");
  EXPECT_EQ(shown(Customer::home.place == Place{.lat = 3}), "home.place.lat=3 ");
  EXPECT_EQ(shown(Customer::work == std::optional(Address{.city = "Oslo"})), R"(work.city="Oslo" work.place.lat=0 )");
  EXPECT_EQ(shown(Customer::work == std::optional<Address>()), "work=null ");
  EXPECT_EQ(shown(Box::contents == Contents{.where = Place{.lat = 1}, .any = 5, .note = Text("long")}),
            R"(contents.where.lat=1 contents.any=5 contents.both="none" )");
  EXPECT_EQ(shown(Box::contents == Contents{.any = unindexed("x")}), R"(contents.both="none" )");

  const auto refusal = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const BadFilterError& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal([] { static_cast<void>(Box::contents == Contents{.labels = {"a"}}); }),
              HasSubstr("the property \"contents.labels\" is repeated"));
  EXPECT_THAT(refusal([] { static_cast<void>(Box::hidden == Hidden{.secret = "x"}); }),
              HasSubstr("no indexed property"));
}

TEST(FilterTest, PropertiesMakeOrders) {
  const Order up = Customer::age, down = -Customer::home.city, by_key = -Customer::_key;
  EXPECT_EQ(up.property, "a");
  EXPECT_FALSE(up.descending);
  EXPECT_EQ(down.property, "home.city");
  EXPECT_TRUE(down.descending);
  EXPECT_EQ(by_key.property, "__key__");
  EXPECT_EQ(property_name(Customer::work.name), "work.n");
}

}  // namespace
}  // namespace ndb
