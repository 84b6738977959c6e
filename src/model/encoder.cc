#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/names.h"
#include "base/strings.h"
#include "model/compression.h"
#include "model/entity_wire.h"
#include "model/limits.h"
#include "model/property_path.h"
#include "model/wire.h"
#include "ndb/detail/codec.h"
#include "ndb/entity.h"

namespace ndb::detail {

void Encoder::grow(std::size_t room) {
  const std::size_t used = size();
  const std::size_t capacity = std::max(2 * static_cast<std::size_t>(end_ - begin_), used + room);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  std::memcpy(larger.get() + capacity - used, at_, used);
  large_ = std::move(larger);
  begin_ = large_.get();
  end_ = begin_ + capacity;
  at_ = end_ - used;
}

inline char* Encoder::claim(std::size_t room) {
  if (static_cast<std::size_t>(at_ - begin_) < room) [[unlikely]] {
    grow(room);
  }
  return at_ -= room;
}

inline void Encoder::varint(std::uint64_t value) {
  if (value < 0x80) {
    *claim(1) = static_cast<char>(value);
  } else if (value < 0x4000) {
    char* out = claim(2);
    out[0] = static_cast<char>(value | 0x80);
    out[1] = static_cast<char>(value >> 7);
  } else {
    write_varint(claim(varint_size(value)), value);
  }
}

void Encoder::raw(std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(claim(bytes.size()), bytes.data(), bytes.size());
}

void Encoder::fixed64(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  char* out = claim(8);
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(bits >> (8 * i));
}

void Encoder::exclude(bool indexed) {
  if (indexed) return;
  varint(1);
  varint(kExclude);
}

void Encoder::meaning() {
  if (meaning_ == 0) return;
  varint(static_cast<std::uint64_t>(std::int64_t{std::exchange(meaning_, 0)}));
  varint(kMeaning);
}

void Encoder::close(std::size_t size_before, std::uint32_t tag) {
  varint(size() - size_before);
  varint(tag);
}

void Encoder::null(bool indexed) {
  exclude(indexed);
  meaning();
  varint(0);
  varint(kNull);
}

void Encoder::boolean(bool value, bool indexed) {
  exclude(indexed);
  meaning();
  varint(value ? 1 : 0);
  varint(kBoolean);
}

void Encoder::integer(std::int64_t value, bool indexed) {
  exclude(indexed);
  meaning();
  varint(static_cast<std::uint64_t>(value));
  varint(kInteger);
}

void Encoder::unsigned_integer(std::uint64_t value, bool indexed) {
  if (value > INT64_MAX) fail(cat("is ", value, ", which is above the largest int64"));
  integer(static_cast<std::int64_t>(value), indexed);
}

void Encoder::number(double value, bool indexed) {
  exclude(indexed);
  meaning();
  fixed64(value);
  varint(kDouble);
}

void Encoder::timestamp(Timestamp value, bool indexed) {
  const std::int64_t micros = value.time_since_epoch().count();
  if (micros < kMinSeconds * kMicros || micros >= (kMaxSeconds + 1) * kMicros) {
    return fail("is a time outside of the years 1 to 9999");
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(value);
  const auto nanos = std::chrono::nanoseconds(value - seconds).count();
  const std::int64_t count = seconds.time_since_epoch().count();
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  if (nanos != 0) {
    varint(static_cast<std::uint64_t>(nanos));
    varint(kNanos);
  }
  if (count != 0) {
    varint(static_cast<std::uint64_t>(count));
    varint(kSeconds);
  }
  close(before, kTimestamp);
}

void Encoder::key(const Key& value, bool indexed) {
  if (!value) return null(indexed);
  if (!value.is_complete()) fail(cat("holds ", value.to_string(), ", which has no id; put that entity first"));
  charge(Budget::kKey);
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  raw(value.bytes());
  close(before, kKey);
}

inline void Encoder::check_utf8(std::string_view value) {
  if (!is_utf8(value)) fail(cat("holds ", quoted(value, 40), ", which is not UTF-8; bytes belong into an ndb::Blob"));
}

void Encoder::time_of_day(TimeOfDay value, bool indexed) {
  if (!is_time_of_day(value))
    fail(cat("is ", value.since_midnight.count(), " us after midnight, which is no time of day"));
  timestamp(Timestamp(value), indexed);
}

void Encoder::text(std::string_view value) {
  if (!is_compressed(storage_)) return string(value, false);
  check_utf8(value);
  compressed(value);
}

// A blob of compressed bytes, with the meaning that marks it.
void Encoder::compressed(std::string_view value) {
  charge(value.size());
  if (!ok()) return;
  exclude(false);
  const std::size_t before = size();
  const std::string bytes = deflated(value);
  check_size("compressed value", bytes.size(), false);
  raw(bytes);
  close(before, kBlob);
  meaning_ = kZlibMeaning;
  meaning();
}

void Encoder::string(std::string_view value, bool indexed) {
  check_size("string", value.size(), indexed);
  check_utf8(value);
  exclude(indexed);
  const std::size_t before = size();
  raw(value);
  close(before, kString);
  meaning();
}

void Encoder::blob(std::string_view value, bool indexed) {
  if (is_compressed(storage_)) return compressed(value);
  check_size("blob", value.size(), indexed);
  exclude(indexed);
  const std::size_t before = size();
  raw(value);
  close(before, kBlob);
  meaning();
}

void Encoder::geo_point(GeoPoint value, bool indexed) {
  if (!(std::abs(value.latitude) <= 90 && std::abs(value.longitude) <= 180)) {
    fail(cat("is the point (", value.latitude, ", ", value.longitude,
             "); latitudes are from -90 to 90, longitudes from -180 to 180"));
  }
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  if (value.longitude != 0) {
    fixed64(value.longitude);
    varint(kLongitude);
  }
  if (value.latitude != 0) {
    fixed64(value.latitude);
    varint(kLatitude);
  }
  close(before, kGeoPoint);
}

void Encoder::check_size(std::string_view what, std::size_t size, bool indexed) {
  const bool in_index = indexed && unindexed_depth_ == 0;
  const std::size_t limit = in_index ? kMaxIndexedBytes : kMaxUnindexedBytes;
  if (size <= limit) [[likely]]
    return;
  fail(cat("is a ", what, " of ", size, " bytes; ", limit, " are allowed",
           in_index ? " where it is indexed: make it an ndb::Text, or not indexed" : ""));
}

template <class WriteProperties>
void Encoder::entity(bool indexed, const WriteProperties& write_properties) {
  if (depth_ == kMaxEntityDepth) return fail("is nested more than 20 entities deep");
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  write_entity(indexed, write_properties);
  close(before, kEntity);
}

template <class WriteProperties>
void Encoder::write_entity(bool indexed, const WriteProperties& write_properties) {
  const Storage outer_storage = std::exchange(storage_, Storage::kPlain);
  const std::string outer_prefix = std::exchange(prefix_, {});
  ++depth_;
  unindexed_depth_ += !indexed;
  write_properties();
  unindexed_depth_ -= !indexed;
  --depth_;
  prefix_ = outer_prefix;
  storage_ = outer_storage;
}

void Encoder::structure(const Table& table, const void* object, bool indexed) {
  const auto write = [&] { properties(table, object, table.unknown_of(object)); };
  if (!is_local(storage_) || (layout_ == Layout::kOlder && !is_compressed(storage_))) return entity(indexed, write);
  // The bytes of an Entity, as a blob.
  if (depth_ == kMaxEntityDepth) return fail("is nested more than 20 entities deep");
  const bool compress = is_compressed(storage_);
  if (compress) {
    Encoder inner(layout_);
    inner.depth_ = depth_;
    inner.budget_ = budget_;
    inner.write_entity(false, [&] { inner.properties(table, object, table.unknown_of(object)); });
    if (!inner.ok()) {
      path_ = inner.path_;
      return fail(inner.error_);
    }
    budget_ = inner.budget_;
    return compressed(inner.bytes());
  }
  exclude(false);
  const std::size_t before = size();
  write_entity(false, write);
  check_size("local struct", size() - before, false);
  close(before, kBlob);
}

void Encoder::value(const Value& value, bool outer_indexed) {
  const bool indexed = outer_indexed && value.indexed();
  meaning_ = value.meaning();
  switch (value.type()) {
    case ValueType::kNull:
      return null(indexed);
    case ValueType::kBool:
      return boolean(value.as_bool(), indexed);
    case ValueType::kInt64:
      return integer(value.as_int64(), indexed);
    case ValueType::kDouble:
      return number(value.as_double(), indexed);
    case ValueType::kTimestamp:
      return timestamp(value.as_timestamp(), indexed);
    case ValueType::kKey:
      return key(value.as_key(), indexed);
    case ValueType::kString:
      return string(value.as_string(), indexed);
    case ValueType::kBlob:
      return blob(value.as_blob(), indexed);
    case ValueType::kGeoPoint:
      return geo_point(value.as_geo_point(), indexed);
    case ValueType::kEntity: {
      charge(Budget::kEntity);
      const Entity& inner = value.as_entity();
      return entity(indexed, [&] {
        properties(inner.properties(), true);
        if (inner.key()) entity_key(inner.key());
      });
    }
    case ValueType::kArray:
      break;
  }
  const Array& elements = value.as_array();
  if (elements.empty()) exclude(indexed);  // otherwise each element is marked
  meaning();
  const std::size_t before = size();
  for (auto it = elements.rbegin(); it != elements.rend(); ++it) {
    if (it->type() == ValueType::kArray) fail("is an array inside an array, which the Datastore does not allow");
    if (!ok()) return;
    const std::size_t element_before = size();
    charge(Budget::element<Value>());
    this->value(*it, indexed);
    element(element_before);
  }
  array(before);
}

void Encoder::property(std::size_t size_before, std::string_view name) {
  close(size_before, kEntryValue);
  const std::size_t name_before = size();
  raw(name);
  if (!prefix_.empty()) raw(prefix_);
  close(name_before, kEntryName);
  close(size_before, kEntityProperty);
}

inline void Encoder::property(const PropertyRow& row, const void* object) {
  const std::size_t before = size();
  storage_ = layout_ == Layout::kPlain ? Storage::kPlain : row.storage;
  if (row.ops != nullptr) {
    if (layout_ == Layout::kOlder && row.ops->structs != nullptr && !is_local(row.storage)) {
      return columns(row, field_of(row, object), row.indexed);
    }
    row.ops->encode(*this, field_of(row, object), row.indexed);
  } else if (row.compute != nullptr) {
    row.compute(*this, object, row.indexed);
  } else {
    return properties(*static_cast<const Expando*>(field_of(row, object)), row.indexed);
  }
  if (!ok()) [[unlikely]]
    return within(row.name);
  property(before, row.name);
}

void Encoder::properties(const Table& table, const void* object, const Unknown* unknown) {
  bool class_kept = false;  // the entity's class is one that this program does not have
  if (unknown != nullptr && !unknown->fields().empty()) {
    if (depth_ > 0) charge(Budget::kUnknown);
    raw(unknown->fields());
    class_kept = has_property(unknown->fields(), kClassProperty);
  }
  const std::span<const PropertyRow> rows = table.rows();
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    if (class_kept && row->compute != nullptr && row->name == kClassProperty) continue;
    property(*row, object);
    if (!ok()) return;
  }
}

void Encoder::properties(const std::map<std::string, Value, std::less<>>& properties, bool indexed) {
  for (auto it = properties.rbegin(); it != properties.rend(); ++it) {
    const auto& [name, property_value] = *it;
    if (name.empty() || name.size() > kMaxPropertyNameBytes || !is_utf8(name)) {
      fail("has a name that is not of 1 to 1500 bytes of UTF-8");
    } else if (is_reserved(name)) {
      fail("has a name of the form __x__, which belongs to the Datastore");
    }
    const std::size_t before = size();
    charge(Budget::kProperty);
    value(property_value, indexed);
    if (!ok()) return within(name);
    property(before, name);
  }
}

void Encoder::entity_key(const Key& key) {
  const std::size_t before = size();
  raw(key.bytes());
  close(before, kEntityKey);
}

void Encoder::fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
}

void Encoder::over_budget() {
  fail(cat("makes the entity larger than ", Budget::kBytes >> 20, " MiB in memory, and so it could not be read"));
}

void Encoder::within(std::string_view name) { prepend_name(path_, name); }

}  // namespace ndb::detail
