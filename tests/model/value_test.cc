#include "ndb/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ndb/detail/payload.h"
#include "ndb/entity.h"
#include "ndb/error.h"

namespace ndb {
namespace {

using ::testing::HasSubstr;

// Values in the Datastore's order, all different.
std::vector<Value> sorted_values() {
  const Timestamp time(std::chrono::microseconds(1500));
  return {nullptr,
          -5,
          1500,
          time,
          INT64_MAX,
          false,
          true,
          Blob(""),
          Blob("\x01\xff"),
          "",
          "a",
          "ab",
          "b",
          -std::numeric_limits<double>::infinity(),
          -0.5,
          0.0,
          1e300,
          std::numeric_limits<double>::quiet_NaN(),
          GeoPoint{.latitude = -10, .longitude = 20},
          GeoPoint{.latitude = 1, .longitude = -1},
          GeoPoint{.latitude = 1, .longitude = 2},
          Key("A", id(1)),
          Key("A", id("a")),
          Entity::embedded({}),
          Entity::embedded({{"a", 1}}),
          Entity::embedded({{"a", 1}, {"b", nullptr}}),
          Entity::embedded({{"a", "x"}}),
          Entity::make("A", id(1), {}),
          Array{},
          Array{1},
          Array{1, "x"},
          Array{"x"}};
}

TEST(ValueTest, HasTheDatastoresOrder) {
  const std::vector<Value> values = sorted_values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      EXPECT_EQ(values[i] <=> values[j], i <=> j) << values[i] << " " << values[j];
      EXPECT_EQ(values[i] == values[j], i == j);
    }
  }
  EXPECT_EQ(Value(0.0), Value(-0.0));
  EXPECT_EQ(Value("x"), unindexed("x"));
}

TEST(ValueTest, RoundTripsThroughItsBytes) {
  for (const Value& plain : sorted_values()) {
    for (Value value :
         {plain, unindexed(plain), Value(plain).set_meaning(22), unindexed(Value(plain).set_meaning(-1))}) {
      const auto bytes = detail::encode_value(value);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      const auto back = detail::decode_value(*bytes);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(*back, value);
      EXPECT_EQ(back->meaning(), value.meaning());
      // For an array with elements, the elements are the unindexed ones.
      const bool elements = value.type() == ValueType::kArray && !value.as_array().empty();
      EXPECT_EQ((elements ? back->as_array()[0] : *back).indexed(), value.indexed()) << value;
    }
  }
}

TEST(ValueTest, ConvertsFromWhatCppOffers) {
  EXPECT_EQ(Value(std::uint8_t{200}).as_int64(), 200);
  EXPECT_EQ(Value(2.5f).as_double(), 2.5);
  EXPECT_EQ(Value(std::string_view("x")).as_string(), "x");
  EXPECT_EQ(Value(Text("x")).as_string(), "x");
  EXPECT_FALSE(Value(Text("x")).indexed());
  EXPECT_EQ(Value(Json{"{}"}).as_blob(), "{}");
  EXPECT_FALSE(Value(Json{"{}"}).indexed());
  EXPECT_TRUE(Value(Key()).is_null());
  EXPECT_TRUE(Value(Entity()).is_null());
  EXPECT_TRUE(Value(std::optional<int>()).is_null());
  EXPECT_EQ(Value(std::optional<int>(3)), 3);
  EXPECT_THROW(Value(UINT64_MAX), BadValueError);
}

TEST(ValueTest, AccessToAnotherTypeNamesBoth) {
  const Value value = "Ada";
  try {
    value.as_int64();
    FAIL();
  } catch (const BadValueError& error) {
    EXPECT_STREQ(error.what(), "the value \"Ada\" is of type string, not int64");
  }
  EXPECT_THROW(Value(1).as_double(), BadValueError);
  EXPECT_THROW(Value(1).as_entity(), BadValueError);
  EXPECT_THROW(Value().as_array(), BadValueError);
}

TEST(ValueTest, PrintsItself) {
  const Timestamp time = std::chrono::sys_days(std::chrono::year(2026) / 1 / 2) + std::chrono::microseconds(7);
  EXPECT_EQ(
      Value(Array{nullptr, true, 1, 2.5, "x\n", Blob("\xff"), time, Key("A", id(1)), GeoPoint{1.5, 2}}).to_string(),
      "[null, true, 1, 2.5, \"x\\n\", Blob(\"\\xff\"), 2026-01-02T00:00:00.000007Z, Key('A', 1), GeoPoint(1.5, 2)]");
}

TEST(ValueTest, RefusesWhatTheDatastoreRefuses) {
  const struct {
    Value value;
    std::string message;
  } cases[] = {
      {std::string(1501, 'x'), "1501 bytes"},
      {Blob(std::string(1501, 'x')), "1501 bytes"},
      {Text(std::string(1048488, 'x')), "1048488 bytes"},
      {"\xff", "not UTF-8"},
      {GeoPoint{90.5, 0}, "latitudes"},
      {GeoPoint{0, -180.5}, "longitudes"},
      {GeoPoint{std::numeric_limits<double>::quiet_NaN(), 0}, "latitudes"},
      {Timestamp(std::chrono::microseconds(INT64_MAX)), "years 1 to 9999"},
      {Timestamp(std::chrono::microseconds(INT64_MIN)), "years 1 to 9999"},
      {Key("A", Id()), "has no id"},
      {Array{1, Array{}}, "array inside an array"},
  };
  for (const auto& c : cases) {
    const auto bytes = detail::encode_value(c.value);
    ASSERT_FALSE(bytes.ok()) << c.message;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(c.message));
    EXPECT_THROW(throw_error(bytes.status()), BadValueError);
  }
  EXPECT_TRUE(detail::encode_value(std::string(1500, 'x')).ok());
  EXPECT_TRUE(detail::encode_value(unindexed(std::string(1501, 'x'))).ok());
  // Nothing inside an unindexed entity is indexed.
  EXPECT_TRUE(detail::encode_value(unindexed(Entity::embedded({{"x", std::string(1501, 'x')}}))).ok());
}

}  // namespace
}  // namespace ndb
