#include "ndb/detail/codec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "model/wire.h"
#include "ndb/entity.h"

namespace ndb::detail {
namespace {

// Limits of the Datastore API.
constexpr std::size_t kMaxIndexedBytes = 1500;
constexpr std::size_t kMaxUnindexedBytes = 1048487;
constexpr std::size_t kMaxNameBytes = 1500;
constexpr int kMaxEncodedDepth = 20;
constexpr std::int64_t kMinSeconds = -62135596800;  // 0001-01-01
constexpr std::int64_t kMaxSeconds = 253402300799;  // 9999-12-31
constexpr std::int64_t kMicros = 1000000;

// Tags of google.datastore.v1.
constexpr std::uint32_t kBoolean = wire_tag(1, kVarint), kInteger = wire_tag(2, kVarint),
                        kDouble = wire_tag(3, kFixed64), kKey = wire_tag(5, kLength), kEntity = wire_tag(6, kLength),
                        kGeoPoint = wire_tag(8, kLength), kArrayValue = wire_tag(9, kLength),
                        kTimestamp = wire_tag(10, kLength), kNull = wire_tag(11, kVarint),
                        kMeaning = wire_tag(14, kVarint), kString = wire_tag(17, kLength),
                        kBlob = wire_tag(18, kLength), kExclude = wire_tag(19, kVarint);
constexpr std::uint32_t kEntityKey = wire_tag(1, kLength), kEntityProperty = wire_tag(3, kLength);
constexpr std::uint32_t kEntryName = wire_tag(1, kLength), kEntryValue = wire_tag(2, kLength);
constexpr std::uint32_t kArrayElement = wire_tag(1, kLength);
constexpr std::uint32_t kLatitude = wire_tag(1, kFixed64), kLongitude = wire_tag(2, kFixed64);
constexpr std::uint32_t kSeconds = wire_tag(1, kVarint), kNanos = wire_tag(2, kVarint);

void prepend_name(std::string& path, std::string_view name) {
  path = path.empty() ? std::string(name) : cat(name, ".", path);
}

bool parse_timestamp(std::string_view bytes, std::int64_t& micros) {
  WireReader in(bytes);
  std::uint64_t seconds = 0, nanos = 0;
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    if (!(tag == kSeconds ? in.varint(seconds) : tag == kNanos ? in.varint(nanos) : in.skip(tag))) return false;
  }
  const auto signed_seconds = static_cast<std::int64_t>(seconds);
  if (signed_seconds < kMinSeconds || signed_seconds > kMaxSeconds || nanos > 999999999) return false;
  micros = signed_seconds * kMicros + static_cast<std::int64_t>(nanos) / 1000;
  return true;
}

bool parse_point(std::string_view bytes, GeoPoint& point) {
  point = {};
  WireReader in(bytes);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    const bool good = tag == kLatitude    ? in.number(point.latitude)
                      : tag == kLongitude ? in.number(point.longitude)
                                          : in.skip(tag);
    if (!good) return false;
  }
  return true;
}

bool parse_entry(std::string_view entry, std::string_view& name, std::string_view& value) {
  WireReader in(entry);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    const bool good = tag == kEntryName ? in.bytes(name) : tag == kEntryValue ? in.bytes(value) : in.skip(tag);
    if (!good) return false;
  }
  return true;
}

bool parse_value(std::string_view bytes, WireValue& value) {
  WireReader in(bytes);
  const auto take = [&](ValueType type) {
    value.type = type;
    return in.bytes(value.bytes);
  };
  while (!in.done()) {
    std::uint32_t tag;
    std::uint64_t number;
    if (!in.tag(tag)) return false;
    bool good;
    switch (tag) {
      case kBoolean:
        good = in.varint(number);
        value.type = ValueType::kBool;
        value.integer = number != 0;
        break;
      case kInteger:
        good = in.varint(number);
        value.type = ValueType::kInt64;
        value.integer = static_cast<std::int64_t>(number);
        break;
      case kDouble:
        good = in.number(value.point.latitude);
        value.type = ValueType::kDouble;
        break;
      case kNull:
        good = in.varint(number);
        value.type = ValueType::kNull;
        break;
      case kTimestamp:
        good = take(ValueType::kTimestamp) && parse_timestamp(value.bytes, value.integer);
        break;
      case kGeoPoint:
        good = take(ValueType::kGeoPoint) && parse_point(value.bytes, value.point);
        break;
      case kKey:
        good = take(ValueType::kKey);
        break;
      case kEntity:
        good = take(ValueType::kEntity);
        break;
      case kArrayValue:
        good = take(ValueType::kArray);
        break;
      case kString:
        good = take(ValueType::kString);
        break;
      case kBlob:
        good = take(ValueType::kBlob);
        break;
      case kMeaning:
        good = in.varint(number);
        value.meaning = static_cast<int>(static_cast<std::uint32_t>(number));
        break;
      case kExclude:
        good = in.varint(number);
        value.indexed = number == 0;
        break;
      default:
        good = in.skip(tag);
    }
    if (!good) return false;
  }
  return true;
}

}  // namespace

// ---- Encoder

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
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  raw(value.bytes());
  close(before, kKey);
}

void Encoder::string(std::string_view value, bool indexed) {
  check_size("string", value.size(), indexed);
  if (!is_utf8(value)) fail(cat("holds ", quoted(value, 40), ", which is not UTF-8; bytes belong into an ndb::Blob"));
  exclude(indexed);
  const std::size_t before = size();
  raw(value);
  close(before, kString);
  meaning();
}

void Encoder::blob(std::string_view value, bool indexed) {
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
  if (depth_ == kMaxEncodedDepth) return fail("is nested more than 20 entities deep");
  exclude(indexed);
  meaning();
  const std::size_t before = size();
  ++depth_;
  unindexed_depth_ += !indexed;
  write_properties();
  unindexed_depth_ -= !indexed;
  --depth_;
  close(before, kEntity);
}

void Encoder::structure(const Table& table, const void* object, bool indexed) {
  entity(indexed, [&] { properties(table, object); });
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
      const Entity& inner = value.as_entity();
      return entity(indexed, [&] {
        properties(inner.properties());
        if (inner.key()) entity_key(inner.key());
      });
    }
    case ValueType::kArray:
      break;
  }
  const Array& elements = value.as_array();
  if (elements.empty()) exclude(indexed);  // else each element says it
  meaning();
  const std::size_t before = size();
  for (auto it = elements.rbegin(); it != elements.rend(); ++it) {
    if (it->type() == ValueType::kArray) fail("is an array inside an array, which the Datastore does not allow");
    if (!ok()) return;
    const std::size_t element_before = size();
    this->value(*it, indexed);
    element(element_before);
  }
  array(before);
}

void Encoder::property(std::size_t size_before, std::string_view name) {
  close(size_before, kEntryValue);
  const std::size_t name_before = size();
  raw(name);
  close(name_before, kEntryName);
  close(size_before, kEntityProperty);
}

void Encoder::properties(const Table& table, const void* object) {
  const std::span<const Row> rows = table.rows();
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const std::size_t before = size();
    if (row->compute != nullptr) {
      row->compute(*this, object, row->indexed);
    } else {
      row->ops->encode(*this, static_cast<const char*>(object) + row->offset, row->indexed);
    }
    if (!ok()) return within(row->name);
    property(before, row->name);
  }
}

void Encoder::properties(const std::map<std::string, Value, std::less<>>& properties) {
  for (auto it = properties.rbegin(); it != properties.rend(); ++it) {
    const auto& [name, property_value] = *it;
    if (name.empty() || name.size() > kMaxNameBytes || !is_utf8(name)) {
      fail("has a name that is not of 1 to 1500 bytes of UTF-8");
    } else if (name.size() >= 4 && name.starts_with("__") && name.ends_with("__")) {
      fail("has a name of the form __x__, which belongs to the Datastore");
    }
    const std::size_t before = size();
    value(property_value);
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

void Encoder::within(std::string_view name) { prepend_name(path_, name); }

// ---- Decoder

bool Decoder::fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
  return false;
}

bool Decoder::malformed() {
  malformed_ = true;
  return fail("is malformed");
}

bool Decoder::wrong_type(std::string_view wanted, const WireValue& got) {
  return fail(cat("is declared as ", wanted, ", but the stored value is of type ", type_name(got.type),
                  got.meaning != 0 ? cat(" with meaning ", got.meaning) : ""));
}

void Decoder::within(std::string_view name) { prepend_name(path_, name); }

bool Decoder::parse(std::string_view bytes, WireValue& value) { return parse_value(bytes, value) || malformed(); }

bool Decoder::structure(const Table& table, const WireValue& wire, void* object) {
  if (depth_ == kMaxDepth) return malformed();
  ++depth_;
  const bool good = properties(table, wire.bytes, object);
  --depth_;
  return good;
}

bool Decoder::properties(const Table& table, std::string_view entity, void* object) {
  const std::span<const Row> rows = table.rows();
  std::size_t expected = 0;  // writers keep an order, so the next row is most often the right one
  WireReader in(entity);
  while (!in.done()) {
    std::uint32_t tag;
    std::string_view entry, name, value;
    if (!in.tag(tag)) return malformed();
    if (tag != kEntityProperty) {
      if (!in.skip(tag)) return malformed();
      continue;
    }
    if (!in.bytes(entry) || !parse_entry(entry, name, value)) return malformed();
    const Row* row = expected < rows.size() && rows[expected].name == name ? &rows[expected] : table.find(name);
    if (row == nullptr) continue;
    expected = static_cast<std::size_t>(row - rows.data()) + 1;
    if (row->ops == nullptr) continue;
    WireValue wire;
    if (!parse(value, wire) || !row->ops->decode(*this, wire, static_cast<char*>(object) + row->offset)) {
      within(row->name);
      return false;
    }
  }
  return true;
}

bool Decoder::properties(std::string_view entity, std::map<std::string, Value, std::less<>>& properties) {
  WireReader in(entity);
  while (!in.done()) {
    std::uint32_t tag;
    std::string_view entry, name, bytes;
    if (!in.tag(tag)) return malformed();
    if (tag != kEntityProperty) {
      if (!in.skip(tag)) return malformed();
      continue;
    }
    if (!in.bytes(entry) || !parse_entry(entry, name, bytes)) return malformed();
    WireValue wire;
    Value decoded;
    if (!parse(bytes, wire) || !value(wire, decoded)) {
      within(name);
      return false;
    }
    properties.insert_or_assign(properties.end(), std::string(name), std::move(decoded));
  }
  return true;
}

bool Decoder::value(const WireValue& wire, Value& value) {
  switch (wire.type) {
    case ValueType::kNull:
      value = nullptr;
      break;
    case ValueType::kBool:
      value = wire.integer != 0;
      break;
    case ValueType::kInt64:
      value = wire.integer;
      break;
    case ValueType::kDouble:
      value = wire.point.latitude;
      break;
    case ValueType::kTimestamp:
      value = Timestamp(std::chrono::microseconds(wire.integer));
      break;
    case ValueType::kKey: {
      auto key = Key::from_bytes(wire.bytes);
      if (!key.ok()) return malformed();
      value = *std::move(key);
      break;
    }
    case ValueType::kString:
      value = wire.bytes;
      break;
    case ValueType::kBlob:
      value = Blob(std::string(wire.bytes));
      break;
    case ValueType::kGeoPoint:
      value = wire.point;
      break;
    case ValueType::kEntity: {
      if (depth_ == kMaxDepth) return malformed();
      Entity::Properties inner;
      ++depth_;
      const bool good = properties(wire.bytes, inner);
      --depth_;
      if (!good) return false;
      const auto key = detail::entity_key(wire.bytes);
      if (!key.ok() && !absl::IsNotFound(key.status())) return malformed();
      value = key.ok() ? Entity::make(*key, std::move(inner)) : Entity::embedded(std::move(inner));
      break;
    }
    case ValueType::kArray: {
      if (depth_ == kMaxDepth) return malformed();
      ++depth_;
      Array elements;
      ArrayReader reader(*this, wire);
      bool good = true;
      for (WireValue element; good && reader.next(element);) good = this->value(element, elements.emplace_back());
      --depth_;
      if (!good || !reader.ok()) return false;
      value = std::move(elements);
      break;
    }
  }
  value.set_indexed(wire.indexed).set_meaning(wire.meaning);
  return true;
}

absl::Status Decoder::status(std::string_view kind, const Key& key) const {
  const std::string where = key ? cat(" (", key.to_string(), ")") : "";
  if (malformed_) {
    return absl::DataLossError(
        to_absl(cat("the stored bytes of an entity of kind ", kind, " are not a valid entity",
                    path_.empty() ? "" : cat(": property ", quoted(path_), " is malformed"), where)));
  }
  return bad_value(cat("property ", quoted(path_), " of ", kind, " ", error_, where));
}

bool ArrayReader::next(WireValue& element) {
  WireReader in(rest_);
  const char* const end = rest_.data() + rest_.size();
  while (!in.done()) {
    std::uint32_t tag;
    std::string_view bytes;
    ok_ = in.tag(tag) && (tag == kArrayElement ? in.bytes(bytes) : in.skip(tag));
    if (!ok_) return decoder_.malformed();
    if (tag != kArrayElement) continue;
    const char* const at = bytes.data() + bytes.size();
    rest_ = {at, static_cast<std::size_t>(end - at)};
    element = WireValue();
    ok_ = decoder_.parse(bytes, element);
    return ok_;
  }
  return false;
}

// ---- Table

Table::Table(std::vector<Row> rows) : rows_(std::move(rows)) {
  for (const Row& row : rows_) by_name_.push_back(&row);
  std::sort(by_name_.begin(), by_name_.end(), [](const Row* a, const Row* b) { return a->name < b->name; });
}

const Row* Table::find(std::string_view name) const {
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [](const Row* row, std::string_view n) { return row->name < n; });
  return it != by_name_.end() && (*it)->name == name ? *it : nullptr;
}

void Table::stamp(void* object, Timestamp now) const {
  for (const Row& row : rows_) {
    if (row.stamp != nullptr) row.stamp(static_cast<char*>(object) + row.offset, now);
  }
}

std::size_t Table::heap_bytes(const void* object) const {
  std::size_t sum = 0;
  for (const Row& row : rows_) {
    if (row.ops != nullptr) sum += row.ops->heap_bytes(static_cast<const char*>(object) + row.offset);
  }
  return sum;
}

}  // namespace ndb::detail
