#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "model/compression.h"
#include "model/entity_wire.h"
#include "model/property_path.h"
#include "model/wire.h"
#include "ndb/detail/codec.h"
#include "ndb/entity.h"

namespace ndb::detail {
namespace {

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

std::string shortened(std::string text) {
  constexpr std::size_t kLimit = 100;
  if (text.size() > kLimit) text.replace(kLimit, std::string::npos, "...");
  return text;
}

}  // namespace

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

bool has_property(std::string_view fields, std::string_view name) {
  bool found = false;
  for_each_property(fields, [&](std::string_view other, std::string_view) { return !(found = other == name); });
  return found;
}

std::string property_field(std::string_view name, std::string_view value) {
  std::string entry, field;
  append_bytes(entry, 1, name);
  append_bytes(entry, 2, value);
  append_bytes(field, 3, entry);
  return field;
}

bool Decoder::fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
  return false;
}

bool Decoder::malformed() {
  malformed_ = true;
  return fail("is malformed");
}

bool Decoder::wrong_type(std::string_view wanted, const WireValue& got) {
  Value shown;
  if (!value(got, shown)) return false;
  return fail(cat("is declared as ", wanted, ", but the value ", shortened(shown.to_string()), " is of type ",
                  type_name(got.type), got.meaning != 0 ? cat(" with meaning ", got.meaning) : ""));
}

void Decoder::within(std::string_view name) { prepend_name(path_, name); }

bool Decoder::parse(std::string_view bytes, WireValue& value) { return parse_value(bytes, value) || malformed(); }

bool Decoder::over_budget() {
  return fail(cat("makes the entity larger than ", Budget::kBytes >> 20,
                  " MiB in memory, which is all that it may be when it is read"));
}

// Reads a property that is stored as a blob, possibly compressed, where a string is expected.
bool Decoder::blob(const WireValue& wire, std::string& into, std::string_view wanted) {
  std::string_view bytes;
  if (!contents(wire, into, bytes, wanted)) return false;
  if (bytes.data() != into.data()) into.assign(bytes);
  return true;
}

// The bytes of a blob: in place, or, if they are compressed, inflated into `room`.
bool Decoder::contents(const WireValue& wire, std::string& room, std::string_view& bytes, std::string_view wanted) {
  if (wire.type != ValueType::kBlob) return wrong_type(wanted, wire);
  bytes = wire.bytes;
  const bool marked = wire.meaning == kZlibMeaning;
  // Clients that do not know meanings lose the mark when they write the entity.
  if (!marked && !(is_compressed(storage_) && looks_deflated(wire.bytes))) return true;
  switch (inflate(wire.bytes, budget_.left(), room)) {
    case Inflated::kWhole:
      bytes = room;
      return charge(room.size());
    case Inflated::kTooLarge:
      return over_budget();
    case Inflated::kMalformed:
      break;
  }
  return fail(cat("is stored as ", wire.bytes.size(), " compressed bytes, which are no zlib data"));
}

// A struct, stored as an embedded entity or as the bytes of one.
bool Decoder::structure(const Table& table, const WireValue& wire, void* object) {
  if (depth_ == kMaxDepth) return malformed();
  std::string room;
  std::string_view entity = wire.bytes;
  if (wire.type != ValueType::kEntity && !contents(wire, room, entity, "a struct")) return false;
  const Storage outer = storage_;
  ++depth_;
  const bool good = properties(table, entity, object, keep_unknown_ ? table.unknown_of(object) : nullptr);
  --depth_;
  storage_ = outer;
  return good;
}

inline bool Decoder::property(const PropertyRow& row, std::string_view bytes, void* object) {
  if (row.ops == nullptr) return true;  // computed
  WireValue wire;
  storage_ = row.storage;
  if (parse(bytes, wire) && row.ops->decode(*this, wire, field_of(row, object))) return true;
  within(row.name);
  return false;
}

// A property that has no row of its own.
bool Decoder::unlisted(const Table& table, std::string_view name, std::string_view bytes, void* object,
                       Unknown* unknown) {
  if (const std::size_t dot = name.find('.'); dot != std::string_view::npos) {
    const PropertyRow* row = table.find(name.substr(0, dot));
    if (row != nullptr && row->ops != nullptr && row->ops->structs != nullptr) {
      if (column(*row, name.substr(dot + 1), bytes, field_of(*row, object))) return true;
      within(row->name);
      return false;
    }
  }
  if (const PropertyRow* expando = table.expando()) {
    WireValue wire;
    Value decoded;
    if (!parse(bytes, wire) || !charge(Budget::kProperty) || !value(wire, decoded)) {
      within(name);
      return false;
    }
    static_cast<Expando*>(field_of(*expando, object))->insert_or_assign(std::string(name), std::move(decoded));
  } else if (unknown != nullptr) {
    if (unknown->fields().empty() && !charge(Budget::kUnknown)) return false;
    unknown->append(property_field(name, bytes));
  }
  return true;
}

// NDB's older layout: `name` is a property of the structs in `field`. For repeated structs its values are an array.
bool Decoder::column(const PropertyRow& row, std::string_view name, std::string_view bytes, void* field) {
  const StructOps& structs = *row.ops->structs;
  WireValue wire;
  if (!parse(bytes, wire)) return false;
  if (!structs.repeated || wire.type != ValueType::kArray) {
    return cell(structs.table(), name, bytes, structs.reach(field, 0));
  }
  ArrayReader elements(*this, wire);
  std::string_view element;
  for (std::size_t i = 0; elements.next(element); ++i) {
    if (i >= structs.size(field) && !charge(structs.bytes)) return false;
    if (!cell(structs.table(), name, element, structs.reach(field, i))) return false;
  }
  return elements.ok();
}

bool Decoder::cell(const Table& table, std::string_view name, std::string_view bytes, void* object) {
  if (depth_ == kMaxDepth) return malformed();
  ++depth_;
  const PropertyRow* row = table.find(name);
  const bool good = row != nullptr
                        ? property(*row, bytes, object)
                        : unlisted(table, name, bytes, object, keep_unknown_ ? table.unknown_of(object) : nullptr);
  --depth_;
  return good;
}

bool Decoder::properties(const Table& table, std::string_view entity, void* object, Unknown* unknown) {
  const std::span<const PropertyRow> rows = table.rows();
  std::size_t expected = 0;  // writers keep the order, so the next row is usually the right one
  WireReader in(entity);
  while (!in.done()) {
    std::uint32_t tag;
    std::string_view entry, name, value;
    if (!in.tag(tag)) return malformed();
    if (tag != kEntityProperty) {
      if (!(tag == kEntityKey && depth_ > 0 ? in.bytes(value) : in.skip(tag))) return malformed();
      if (tag == kEntityKey && depth_ > 0 && unknown != nullptr) {  // a struct has no key of its own
        if (unknown->fields().empty() && !charge(Budget::kUnknown)) return false;
        std::string field;
        append_bytes(field, 1, value);
        unknown->append(field);
      }
      continue;
    }
    if (!in.bytes(entry) || !parse_entry(entry, name, value)) return malformed();
    const PropertyRow* row = expected < rows.size() && rows[expected].name == name ? &rows[expected] : table.find(name);
    if (row == nullptr) {
      if (!unlisted(table, name, value, object, unknown)) return false;
      continue;
    }
    expected = static_cast<std::size_t>(row - rows.data()) + 1;
    if (!property(*row, value, object)) return false;
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
    if (!parse(bytes, wire) || !charge(Budget::kProperty) || !value(wire, decoded)) {
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
      if (!charge(Budget::kKey)) return false;
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
      if (!charge(Budget::kEntity)) return false;
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
      for (WireValue element; good && reader.next(element);) {
        good = charge(Budget::element<Value>()) && this->value(element, elements.emplace_back());
      }
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
  std::string_view bytes;
  if (!next(bytes)) return false;
  element = WireValue();
  ok_ = decoder_.parse(bytes, element);
  return ok_;
}

bool ArrayReader::next(std::string_view& element) {
  WireReader in(rest_);
  const char* const end = rest_.data() + rest_.size();
  while (!in.done()) {
    std::uint32_t tag;
    ok_ = in.tag(tag) && (tag == kArrayElement ? in.bytes(element) : in.skip(tag));
    if (!ok_) return decoder_.malformed();
    if (tag != kArrayElement) continue;
    const char* const at = element.data() + element.size();
    rest_ = {at, static_cast<std::size_t>(end - at)};
    return true;
  }
  return false;
}

}  // namespace ndb::detail
