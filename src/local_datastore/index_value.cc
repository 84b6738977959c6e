#include "local_datastore/index_value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "local_datastore/rules.h"

namespace ndb::local {
namespace {

constexpr char kNull = 0x10;
constexpr char kFixedPoint = 0x20;
constexpr char kBoolean = 0x30;
constexpr char kBytes = 0x40;
constexpr char kDouble = 0x50;
constexpr char kGeoPoint = 0x60;
constexpr char kKey = 0x70;
constexpr char kAfterAll = 0x7f;

void append_fixed_point(std::string& out, std::int64_t number) {
  append_big_endian(out, static_cast<std::uint64_t>(number) ^ (std::uint64_t{1} << 63));
}

void append_double(std::string& out, double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();  // one NaN, after infinity
  if (number == 0) number = 0;                                                // nor a negative zero
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const std::uint64_t sign = std::uint64_t{1} << 63;
  append_big_endian(out, (bits & sign) != 0 ? ~bits : bits | sign);
}

// Collects the entries of one entity.
class Collector {
 public:
  Collector(const std::set<std::string, std::less<>>& names, IndexEntries& out) : names_(names), out_(out) {}

  void visit_entity(const v1::Entity& entity, const std::string& prefix) {
    for (const auto& [name, value] : entity.properties()) visit_value(prefix.empty() ? name : prefix + name, value);
  }

 private:
  void visit_value(const std::string& path, const v1::Value& value) {
    if (value.has_array_value()) {
      for (const v1::Value& element : value.array_value().values()) visit_value(path, element);
    } else if (value.exclude_from_indexes()) {
      return;
    } else if (value.has_entity_value()) {
      visit_nested(path, value.entity_value());
    } else if (names_.contains(path)) {
      out_[path].push_back({index_value(value), &value, nullptr});
    }
  }

  void visit_nested(const std::string& path, const v1::Entity& nested) {
    const std::string prefix = path + ".";
    const auto first = names_.lower_bound(prefix);
    if (first == names_.end() || !first->starts_with(prefix)) return;
    visit_entity(nested, prefix);
    const std::string key_path = prefix + "__key__";
    if (nested.has_key() && names_.contains(key_path)) {
      out_[key_path].push_back({index_key(nested.key()), nullptr, &nested.key()});
    }
  }

  const std::set<std::string, std::less<>>& names_;
  IndexEntries& out_;
};

}  // namespace

void append_index_key(std::string& out, const v1::Key& key) {
  out.push_back(kKey);
  out.append(encode_partition(key.partition_id()));
  out.append(encode_path(key));
}

void append_index_value(std::string& out, const v1::Value& value) {
  switch (value.value_type_case()) {
    case v1::Value::kBooleanValue:
      out.push_back(kBoolean);
      out.push_back(value.boolean_value() ? '\1' : '\0');
      break;
    case v1::Value::kIntegerValue:
      out.push_back(kFixedPoint);
      append_fixed_point(out, value.integer_value());
      break;
    case v1::Value::kTimestampValue:
      out.push_back(kFixedPoint);
      append_fixed_point(out, to_version(value.timestamp_value()));
      break;
    case v1::Value::kDoubleValue:
      out.push_back(kDouble);
      append_double(out, value.double_value());
      break;
    case v1::Value::kKeyValue:
      append_index_key(out, value.key_value());
      break;
    case v1::Value::kGeoPointValue:
      out.push_back(kGeoPoint);
      append_double(out, value.geo_point_value().latitude());
      append_double(out, value.geo_point_value().longitude());
      break;
    case v1::Value::kStringValue:
      out.push_back(kBytes);
      append_escaped(out, value.string_value());
      break;
    case v1::Value::kBlobValue:
      out.push_back(kBytes);
      append_escaped(out, value.blob_value());
      break;
    default:
      out.push_back(kNull);
      break;
  }
}

std::string index_value(const v1::Value& value) {
  std::string out;
  append_index_value(out, value);
  return out;
}

std::string index_key(const v1::Key& key) {
  std::string out;
  append_index_key(out, key);
  return out;
}

std::string index_keys_of(std::string_view partition) { return cat(kKey, partition); }

Interval below(const std::string& encoded, bool inclusive) {
  return {"", inclusive ? encoded + std::string(1, '\0') : encoded};
}

Interval above(const std::string& encoded, bool inclusive) {
  return {inclusive ? encoded : encoded + std::string(1, '\0'), std::string(1, kAfterAll)};
}

Interval everything() { return {"", std::string(1, kAfterAll)}; }

Intervals all_but(const std::set<std::string>& encoded) {
  Intervals out;
  Interval rest = everything();
  for (const std::string& value : encoded) {
    if (rest.begin < value) out.push_back({rest.begin, value});
    rest.begin = above(value, false).begin;
  }
  out.push_back(rest);
  return out;
}

Intervals intersect(const Intervals& a, const Intervals& b) {
  Intervals out;
  for (const Interval& x : a) {
    for (const Interval& y : b) {
      Interval both{std::max(x.begin, y.begin), std::min(x.end, y.end)};
      if (both.begin < both.end) out.push_back(std::move(both));
    }
  }
  return out;
}

bool contains(const Intervals& intervals, std::string_view encoded) {
  return std::any_of(intervals.begin(), intervals.end(),
                     [encoded](const Interval& interval) { return interval.contains(encoded); });
}

v1::Value IndexEntry::copy() const {
  if (value != nullptr) return *value;
  v1::Value out;
  *out.mutable_key_value() = *nested_key;
  return out;
}

IndexEntries index_entries(const v1::Entity& entity, const std::set<std::string, std::less<>>& names) {
  IndexEntries out;
  if (names.empty()) return out;
  Collector(names, out).visit_entity(entity, "");
  for (auto& [name, entries] : out) {
    std::sort(entries.begin(), entries.end(),
              [](const IndexEntry& a, const IndexEntry& b) { return a.encoded < b.encoded; });
    entries.erase(std::unique(entries.begin(), entries.end(),
                              [](const IndexEntry& a, const IndexEntry& b) { return a.encoded == b.encoded; }),
                  entries.end());
  }
  return out;
}

}  // namespace ndb::local
