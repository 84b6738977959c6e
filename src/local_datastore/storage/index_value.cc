#include "local_datastore/storage/index_value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr char kAfterAll = 0x7f;

void append_fixed_point(std::string& out, std::int64_t number) {
  append_big_endian(out, static_cast<std::uint64_t>(number) ^ (std::uint64_t{1} << 63));
}

void append_double(std::string& out, double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();  // one NaN, after infinity
  if (number == 0) number = 0;                                                // no negative zero
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const std::uint64_t sign = std::uint64_t{1} << 63;
  append_big_endian(out, (bits & sign) != 0 ? ~bits : bits | sign);
}

// Collects the entries of one entity.
class Collector {
 public:
  // Collects all entries if `names` is null.
  Collector(const std::set<std::string, std::less<>>* names, IndexEntries& out) : names_(names), out_(out) {}

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
    } else if (wants(path)) {
      out_[path].push_back({index_value(value), &value, nullptr});
    }
  }

  void visit_nested(const std::string& path, const v1::Entity& nested) {
    const std::string prefix = path + ".";
    if (names_ != nullptr) {
      const auto first = names_->lower_bound(prefix);
      if (first == names_->end() || !first->starts_with(prefix)) return;
    }
    visit_entity(nested, prefix);
    const std::string key_path = prefix + "__key__";
    if (nested.has_key() && wants(key_path)) {
      out_[key_path].push_back({index_key(nested.key()), nullptr, &nested.key()});
    }
  }

  bool wants(const std::string& path) const { return names_ == nullptr || names_->contains(path); }

  const std::set<std::string, std::less<>>* names_;
  IndexEntries& out_;
};

}  // namespace

void append_index_key(std::string& out, const v1::Key& key) {
  out.push_back(kIndexKey);
  out.append(encode_partition(key.partition_id()));
  out.append(encode_path(key));
}

void append_index_value(std::string& out, const v1::Value& value) {
  switch (value.value_type_case()) {
    case v1::Value::kBooleanValue:
      out.push_back(kIndexBoolean);
      out.push_back(value.boolean_value() ? '\1' : '\0');
      break;
    case v1::Value::kIntegerValue:
      out.push_back(kIndexFixedPoint);
      append_fixed_point(out, value.integer_value());
      break;
    case v1::Value::kTimestampValue:
      out.push_back(kIndexFixedPoint);
      append_fixed_point(out, to_micros(value.timestamp_value()));
      break;
    case v1::Value::kDoubleValue:
      out.push_back(kIndexDouble);
      append_double(out, value.double_value());
      break;
    case v1::Value::kKeyValue:
      append_index_key(out, value.key_value());
      break;
    case v1::Value::kGeoPointValue:
      out.push_back(kIndexGeoPoint);
      append_double(out, value.geo_point_value().latitude());
      append_double(out, value.geo_point_value().longitude());
      break;
    case v1::Value::kStringValue:
      out.push_back(kIndexBytes);
      append_escaped(out, value.string_value());
      break;
    case v1::Value::kBlobValue:
      out.push_back(kIndexBytes);
      append_escaped(out, value.blob_value());
      break;
    default:
      out.push_back(kIndexNull);
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

std::string index_keys_of(std::string_view partition) { return cat(kIndexKey, partition); }

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

namespace {

IndexEntries sorted_entries(const v1::Entity& entity, const std::set<std::string, std::less<>>* names) {
  IndexEntries out;
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

// The length of the encoded value at the beginning; 0 if there is none.
std::size_t encoded_size(std::string_view in) {
  constexpr std::size_t kNumber = 8;
  const std::string_view whole = in;
  const char type = in.empty() ? '\0' : in.front();
  std::string skipped;
  in.remove_prefix(in.empty() ? 0 : 1);
  switch (type) {
    case kIndexNull:
      break;
    case kIndexBoolean:
      in.remove_prefix(std::min<std::size_t>(in.size(), 1));
      break;
    case kIndexFixedPoint:
    case kIndexDouble:
      in.remove_prefix(std::min(in.size(), kNumber));
      break;
    case kIndexGeoPoint:
      in.remove_prefix(std::min(in.size(), 2 * kNumber));
      break;
    case kIndexBytes:
      if (!take_escaped(in, skipped)) return 0;
      break;
    case kIndexKey: {
      for (int i = 0; i < 3; ++i) {
        if (!take_escaped(in, skipped)) return 0;
      }
      while (in.starts_with('\x01')) {
        in.remove_prefix(1);
        if (!take_escaped(in, skipped) || in.empty()) return 0;
        const bool named = in.front() == '\x03';
        in.remove_prefix(1);
        if (named && !take_escaped(in, skipped)) return 0;
        if (!named) in.remove_prefix(std::min(in.size(), kNumber));
      }
      in.remove_prefix(std::min<std::size_t>(in.size(), 1));  // the end of the path
      break;
    }
    default:
      return 0;
  }
  return whole.size() - in.size();
}

double decode_double(std::string_view in) {
  const std::uint64_t sign = std::uint64_t{1} << 63;
  const std::uint64_t bits = load_big_endian(in);
  return std::bit_cast<double>((bits & sign) != 0 ? bits & ~sign : ~bits);
}

bool decode_key(std::string_view in, v1::Key& key) {
  v1::PartitionId& partition = *key.mutable_partition_id();
  return take_escaped(in, *partition.mutable_project_id()) && take_escaped(in, *partition.mutable_database_id()) &&
         take_escaped(in, *partition.mutable_namespace_id()) && decode_path(in, key);
}

constexpr char kOnly = '\1';
constexpr std::size_t kIndexRowSize = 2;  // a byte for the type, and kOnly or 0

}  // namespace

std::string index_bound(std::string_view index, std::string_view bound) {
  const std::size_t value = encoded_size(bound);
  const bool behind = value != 0 && value < bound.size();
  return behind ? after_prefix(cat(index, bound.substr(0, value))) : cat(index, bound);
}

// `bound` begins with the type of a key and its partition; `prefix` replaces both.
std::string path_bound(std::string_view prefix, std::string_view bound) {
  const std::size_t value = encoded_size(bound);
  const bool behind = value != 0 && value < bound.size();
  std::string_view path = bound.substr(0, behind ? value : bound.size()).substr(1);
  std::string skipped;
  for (int i = 0; i < 3; ++i) {
    if (!take_escaped(path, skipped)) return after_prefix(prefix);  // after all keys of the partition
  }
  return behind ? after_row(cat(prefix, path)) : cat(prefix, path);
}

IndexEntries index_entries(const v1::Entity& entity, const std::set<std::string, std::less<>>& names) {
  return names.empty() ? IndexEntries() : sorted_entries(entity, &names);
}

IndexEntries index_entries(const v1::Entity& entity) { return sorted_entries(entity, nullptr); }

IndexRows index_rows(const v1::Entity& entity, const StorageKey& where) {
  IndexRows out;
  out.emplace(where.kind_member(), std::string(1, kOnly));
  for (const auto& [property, entries] : index_entries(entity)) {
    const std::string index = index_of(where.partition, where.kind, property);
    for (const IndexEntry& entry : entries) {
      const int type = entry.value != nullptr ? entry.value->value_type_case() : v1::Value::kKeyValue;
      std::string value(1, static_cast<char>(type));
      value.push_back(entries.size() == 1 ? kOnly : '\0');
      out.emplace(cat(index, entry.encoded, where.path), std::move(value));
    }
  }
  return out;
}

bool parse_index_row(std::string_view rest_of_key, std::string_view value, IndexRow& row) {
  const std::size_t size = encoded_size(rest_of_key);
  if (size == 0 || value.size() != kIndexRowSize) return false;
  row = {.encoded = rest_of_key.substr(0, size),
         .path = rest_of_key.substr(size),
         .type = static_cast<unsigned char>(value[0]),
         .only = value[1] == kOnly};
  return !row.path.empty();
}

bool decode_index_value(const IndexRow& row, v1::Value& value) {
  std::string_view in = row.encoded.substr(1);
  switch (row.type) {
    case v1::Value::kBooleanValue:
      value.set_boolean_value(in == std::string_view("\1", 1));
      return in.size() == 1;
    case v1::Value::kIntegerValue:
    case v1::Value::kTimestampValue: {
      if (in.size() != 8) return false;
      const auto number = static_cast<std::int64_t>(load_big_endian(in) ^ (std::uint64_t{1} << 63));
      if (row.type == v1::Value::kIntegerValue) {
        value.set_integer_value(number);
      } else {
        set_micros(*value.mutable_timestamp_value(), number);
      }
      return true;
    }
    case v1::Value::kDoubleValue:
      if (in.size() != 8) return false;
      value.set_double_value(decode_double(in));
      return true;
    case v1::Value::kGeoPointValue:
      if (in.size() != 16) return false;
      value.mutable_geo_point_value()->set_latitude(decode_double(in));
      value.mutable_geo_point_value()->set_longitude(decode_double(in.substr(8)));
      return true;
    case v1::Value::kKeyValue:
      return decode_key(in, *value.mutable_key_value());
    case v1::Value::kStringValue:
      return take_escaped(in, *value.mutable_string_value());
    case v1::Value::kBlobValue:
      return take_escaped(in, *value.mutable_blob_value());
    default:
      value.set_null_value(google::protobuf::NULL_VALUE);
      return true;
  }
}

}  // namespace ndb::local
