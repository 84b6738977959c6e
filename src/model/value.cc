#include "ndb/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

#include "base/error.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "ndb/entity.h"

namespace ndb {
namespace {

// The Datastore's order of types. Types of the same rank are compared by value first.
int rank(ValueType type) {
  switch (type) {
    case ValueType::kNull:
      return 0;
    case ValueType::kInt64:
    case ValueType::kTimestamp:
      return 1;
    case ValueType::kBool:
      return 2;
    case ValueType::kBlob:
      return 3;
    case ValueType::kString:
      return 4;
    case ValueType::kDouble:
      return 5;
    case ValueType::kGeoPoint:
      return 6;
    case ValueType::kKey:
      return 7;
    case ValueType::kEntity:
      return 8;
    case ValueType::kArray:
      return 9;
  }
  return 10;
}

std::int64_t whole(const Value& v) {
  return v.type() == ValueType::kInt64 ? v.as_int64() : v.as_timestamp().time_since_epoch().count();
}

std::weak_ordering order(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) <=> std::isnan(b);
  return a < b ? std::weak_ordering::less : a > b ? std::weak_ordering::greater : std::weak_ordering::equivalent;
}

std::weak_ordering order(const std::string& a, const std::string& b) { return a.compare(b) <=> 0; }

std::weak_ordering order(const GeoPoint& a, const GeoPoint& b) {
  if (const auto first = order(a.latitude, b.latitude); first != 0) return first;
  return order(a.longitude, b.longitude);
}

std::weak_ordering order(const Entity& a, const Entity& b) {
  if (const auto first = a.key() <=> b.key(); first != 0) return first;
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end(),
                                                [](const auto& x, const auto& y) -> std::weak_ordering {
                                                  if (const auto first = order(x.first, y.first); first != 0)
                                                    return first;
                                                  return x.second <=> y.second;
                                                });
}

std::string shown(double number) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr};
}

}  // namespace

std::string_view type_name(ValueType type) {
  static constexpr std::string_view kNames[] = {"null",   "bool", "int64",    "double", "timestamp", "key",
                                                "string", "blob", "GeoPoint", "entity", "array"};
  return kNames[static_cast<std::size_t>(type)];
}

Value::Value(Key v) {
  if (v) data_ = std::move(v);
}

Value::Value(Entity v) {
  if (v) data_ = std::make_shared<const Entity>(std::move(v));
}

void Value::refuse(std::uint64_t too_large) {
  throw BadValueError(cat("the value ", too_large, " is above the largest int64"));
}

template <class T>
const T& Value::as(ValueType wanted) const {
  if (const T* value = std::get_if<T>(&data_)) return *value;
  throw BadValueError(cat("the value ", to_string(), " is of type ", type_name(type()), ", not ", type_name(wanted)));
}

bool Value::as_bool() const { return as<bool>(ValueType::kBool); }
std::int64_t Value::as_int64() const { return as<std::int64_t>(ValueType::kInt64); }
double Value::as_double() const { return as<double>(ValueType::kDouble); }
Timestamp Value::as_timestamp() const { return as<Timestamp>(ValueType::kTimestamp); }
const Key& Value::as_key() const { return as<Key>(ValueType::kKey); }
const std::string& Value::as_string() const { return as<std::string>(ValueType::kString); }
const Blob& Value::as_blob() const { return as<Blob>(ValueType::kBlob); }
GeoPoint Value::as_geo_point() const { return as<GeoPoint>(ValueType::kGeoPoint); }
const Entity& Value::as_entity() const { return *as<std::shared_ptr<const Entity>>(ValueType::kEntity); }
const Array& Value::as_array() const { return as<Array>(ValueType::kArray); }
Array& Value::as_array() { return const_cast<Array&>(as<Array>(ValueType::kArray)); }

std::weak_ordering operator<=>(const Value& a, const Value& b) {
  if (const auto first = rank(a.type()) <=> rank(b.type()); first != 0) return first;
  switch (a.type()) {
    case ValueType::kNull:
      return std::weak_ordering::equivalent;
    case ValueType::kInt64:
    case ValueType::kTimestamp:
      if (const auto first = whole(a) <=> whole(b); first != 0) return first;
      return a.type() <=> b.type();
    case ValueType::kBool:
      return a.as_bool() <=> b.as_bool();
    case ValueType::kBlob:
      return order(a.as_blob(), b.as_blob());
    case ValueType::kString:
      return order(a.as_string(), b.as_string());
    case ValueType::kDouble:
      return order(a.as_double(), b.as_double());
    case ValueType::kGeoPoint:
      return order(a.as_geo_point(), b.as_geo_point());
    case ValueType::kKey:
      return a.as_key() <=> b.as_key();
    case ValueType::kEntity:
      return order(a.as_entity(), b.as_entity());
    case ValueType::kArray:
      break;
  }
  return std::lexicographical_compare_three_way(a.as_array().begin(), a.as_array().end(), b.as_array().begin(),
                                                b.as_array().end());
}

std::string Value::to_string() const {
  switch (type()) {
    case ValueType::kNull:
      return "null";
    case ValueType::kBool:
      return as_bool() ? "true" : "false";
    case ValueType::kInt64:
      return std::to_string(as_int64());
    case ValueType::kDouble:
      return shown(as_double());
    case ValueType::kTimestamp:
      return format_time(as_timestamp());
    case ValueType::kKey:
      return as_key().to_string();
    case ValueType::kString:
      return quoted(as_string());
    case ValueType::kBlob:
      return cat("Blob(", quoted(as_blob()), ")");
    case ValueType::kGeoPoint:
      return cat("GeoPoint(", shown(as_geo_point().latitude), ", ", shown(as_geo_point().longitude), ")");
    case ValueType::kEntity:
      return as_entity().to_string();
    case ValueType::kArray:
      break;
  }
  std::string out = "[";
  for (const Value& element : as_array()) out += cat(out.size() > 1 ? ", " : "", element.to_string());
  return out + "]";
}

std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.to_string(); }

}  // namespace ndb
