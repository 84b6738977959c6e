// Times as text: RFC 3339, as JSON, GQL and messages have them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace ndb {

// The years that the Datastore has, 1 to 9999.
inline constexpr WallTime kFirstTime{std::chrono::seconds(-62135596800)};
inline constexpr WallTime kLastTime{std::chrono::seconds(253402300800) - std::chrono::microseconds(1)};
constexpr bool is_in_calendar(WallTime time) { return time >= kFirstTime && time <= kLastTime; }

// "2026-01-02T03:04:05Z", or with six decimals of the seconds if they are not whole. Outside of those years, which no
// such text can name, "-62135596800000001us since 1970".
std::string format_time(WallTime time);

// And back, with any number of decimals, of which six count, and with any offset. nullopt if it is no such text, or a
// time outside of those years.
std::optional<WallTime> parse_time(std::string_view text);

}  // namespace ndb
