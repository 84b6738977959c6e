// Property values as the Datastore knows them, for code that has no model class: dynamic entities, filters,
// projections.
#pragma once

#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ndb/key.h"

namespace ndb {

class Entity;
class Value;

// A point in time in UTC, as precise as the Datastore stores it.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// A string of up to 1 MiB that is never indexed.
struct Text : std::string {
  using std::string::string;
  Text() = default;
  // The string as a Text.
  Text(std::string text) : std::string(std::move(text)) {}
};

// Bytes. As a property of a model they are never indexed, as in NDB.
struct Blob : std::string {
  using std::string::string;
  Blob() = default;
  // The string's bytes as a Blob.
  Blob(std::string bytes) : std::string(std::move(bytes)) {}
};

// JSON text, stored as NDB stores it: as bytes that are never indexed. A put of a text that is no JSON is a
// BadValueError; an empty text is null.
struct Json {
  std::string text{};  // one JSON value
  friend bool operator==(const Json&, const Json&) = default;
};

// A day, stored as the time at which it begins; NDB's DateProperty.
using Date = std::chrono::sys_days;

// A time of day, stored as that time of the first day of 1970; NDB's TimeProperty.
struct TimeOfDay {
  std::chrono::microseconds since_midnight{};  // less than a day
  // That time of 1 January 1970.
  explicit operator Timestamp() const { return Timestamp(since_midnight); }
  friend auto operator<=>(const TimeOfDay&, const TimeOfDay&) = default;
};

// A point on the earth.
struct GeoPoint {
  double latitude = 0;   // degrees, -90 to 90
  double longitude = 0;  // degrees, -180 to 180
  friend bool operator==(const GeoPoint&, const GeoPoint&) = default;
};

// The elements of an array property. An array cannot hold arrays.
using Array = std::vector<Value>;

// The types of the Datastore's values.
enum class ValueType : std::uint8_t {
  kNull,
  kBool,
  kInt64,
  kDouble,
  kTimestamp,
  kKey,
  kString,
  kBlob,
  kGeoPoint,
  kEntity,
  kArray
};
// The name of a type for messages, such as "int64".
std::string_view type_name(ValueType type);

// One value of any type. A value type; thread-safe like a const object.
class Value {
 public:
  Value() = default;  // null
  // A value of the type that the argument has; null for nullptr, an empty optional, an empty key and an empty entity.
  // Text and Json are not indexed. An integer above the largest int64 is a BadValueError.
  Value(std::nullptr_t) {}
  Value(std::nullopt_t) {}
  template <std::same_as<bool> B>
  Value(B v) : data_(v) {}
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  Value(I v) : data_(checked(v)) {}
  template <std::floating_point F>
  Value(F v) : data_(static_cast<double>(v)) {}  // a long double beyond the range of double becomes an infinity
  Value(Timestamp v) : data_(v) {}
  Value(Key v);
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(Text v) : data_(static_cast<std::string&&>(v)), indexed_(false) {}
  Value(Blob v) : data_(std::move(v)) {}
  Value(Json v) : data_(Blob(std::move(v.text))), indexed_(false) {}
  Value(GeoPoint v) : data_(v) {}
  Value(Entity v);  // embedded
  Value(Array v) : data_(std::move(v)) {}
  template <class T>
  Value(const std::optional<T>& v) : Value(v ? Value(*v) : Value()) {}

  // The type of the value.
  ValueType type() const { return static_cast<ValueType>(data_.index()); }
  bool is_null() const { return data_.index() == 0; }

  // The value, if it has exactly this type. BadValueError otherwise, which names both types.
  bool as_bool() const;
  std::int64_t as_int64() const;
  double as_double() const;
  Timestamp as_timestamp() const;
  const Key& as_key() const;
  const std::string& as_string() const;
  const Blob& as_blob() const;
  GeoPoint as_geo_point() const;
  const Entity& as_entity() const;
  const Array& as_array() const;
  Array& as_array();

  // Whether queries can filter and sort by it. In an array, each element has its own flag.
  bool indexed() const { return indexed_; }
  Value& set_indexed(bool indexed) {
    indexed_ = indexed;
    return *this;
  }
  // The number that older writers stored beside the value (22: zlib-compressed, for instance). Kept as it was read.
  int meaning() const { return meaning_; }
  Value& set_meaning(int meaning) {
    meaning_ = meaning;
    return *this;
  }

  // Compare type and content; `indexed` and `meaning` do not count. The order is the Datastore's: null, integers and
  // timestamps, booleans, blobs, strings, doubles, points, keys; then entities and arrays, element by element. NaN
  // follows all other doubles.
  friend bool operator==(const Value& a, const Value& b) { return (a <=> b) == 0; }
  friend std::weak_ordering operator<=>(const Value& a, const Value& b);
  friend std::ostream& operator<<(std::ostream& out, const Value& value);  // to_string()
  // For logs and messages: 36, "Ada", [1, 2], {city: "London"}.
  std::string to_string() const;

 private:
  template <std::integral I>
  static std::int64_t checked(I v) {
    if (!std::in_range<std::int64_t>(v)) refuse(static_cast<std::uint64_t>(v));
    return static_cast<std::int64_t>(v);
  }
  [[noreturn]] static void refuse(std::uint64_t too_large);
  template <class T>
  const T& as(ValueType wanted) const;

  // In the order of ValueType.
  std::variant<std::monostate, bool, std::int64_t, double, Timestamp, Key, std::string, Blob, GeoPoint,
               std::shared_ptr<const Entity>, Array>
      data_;
  bool indexed_ = true;
  int meaning_ = 0;
};

// A field of a model, or of a struct inside one, that takes all properties without a field of their own, by name. It
// makes the model what NDB calls an Expando.
struct Expando : std::map<std::string, Value, std::less<>> {
  using map::map;
};

// The same value, not indexed.
inline Value unindexed(Value value) { return std::move(value.set_indexed(false)); }

}  // namespace ndb
