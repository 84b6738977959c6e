// What the encoder and the decoder of entities both know: field tags and limits of google.datastore.v1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/strings.h"
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

// Of errors: the path to a property is put together while the nested entities are left, from the inside out.
inline void prepend_name(std::string& path, std::string_view name) {
  path = path.empty() ? std::string(name) : cat(name, ".", path);
}

}  // namespace ndb::detail
