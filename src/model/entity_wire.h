// What the encoder and the decoder of entities share: field tags and limits of google.datastore.v1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/wire.h"

namespace ndb::detail {

constexpr std::int64_t kMinSeconds = -62135596800;  // 0001-01-01
constexpr std::int64_t kMaxSeconds = 253402300799;  // 9999-12-31
constexpr std::int64_t kMicros = 1000000;

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

constexpr int kZlibMeaning = 22;  // the meaning of a zlib stream

// One entry of an Entity's properties: a name and the bytes of a Value. False if it is malformed.
bool parse_entry(std::string_view entry, std::string_view& name, std::string_view& value);

// Calls `take(name, value)` for every property among the fields of an Entity, until it returns false. False if it did,
// or if the fields are malformed.
template <class Take>
bool for_each_property(std::string_view fields, const Take& take) {
  WireReader in(fields);
  while (!in.done()) {
    std::uint32_t tag;
    std::string_view entry, name, value;
    if (!in.tag(tag)) return false;
    if (tag != kEntityProperty) {
      if (!in.skip(tag)) return false;
    } else if (!in.bytes(entry) || !parse_entry(entry, name, value) || !take(name, value)) {
      return false;
    }
  }
  return true;
}

bool has_property(std::string_view fields, std::string_view name);

// The property in which a PolyModel stores the names of its classes.
constexpr std::string_view kClassProperty = "class";

// One property as a field of an Entity.
std::string property_field(std::string_view name, std::string_view value);

}  // namespace ndb::detail
