#include "base/rfc3339.h"

#include <algorithm>

#include "absl/time/time.h"
#include "base/strings.h"

namespace ndb {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether the text has exactly the form of RFC 3339. absl::ParseTime would also accept fewer digits, signs and white
// space.
bool has_shape(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd", kOffset = "+dd:dd";
  const auto fits = [](char c, char wanted) { return wanted == 'd' ? is_digit(c) : c == wanted; };
  if (text.size() <= kShape.size() ||
      !std::equal(kShape.begin(), kShape.end(), text.begin(), [&](char wanted, char c) { return fits(c, wanted); })) {
    return false;
  }
  text.remove_prefix(kShape.size());
  if (text.front() == '.') {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end == 1) return false;
    text.remove_prefix(end);
  }
  if (text == "Z") return true;
  return text.size() == kOffset.size() && (text[0] == '+' || text[0] == '-') &&
         std::equal(text.begin() + 1, text.end(), kOffset.begin() + 1, fits);
}

}  // namespace

std::string format_time(WallTime time) {
  const std::int64_t micros = time.time_since_epoch().count();
  if (!is_in_calendar(time)) return cat(micros, "us since 1970");
  const bool whole = micros % 1'000'000 == 0;
  return absl::FormatTime(whole ? "%E4Y-%m-%d%ET%H:%M:%SZ" : "%E4Y-%m-%d%ET%H:%M:%E6SZ", absl::FromUnixMicros(micros),
                          absl::UTCTimeZone());
}

std::optional<WallTime> parse_time(std::string_view text) {
  absl::Time time;
  if (!has_shape(text) || text.substr(17, 2) == "60" ||  // absl would read a leap second as the next second
      !absl::ParseTime("%E4Y-%m-%d%ET%H:%M:%E*S%Ez", to_absl(text), &time, nullptr)) {
    return std::nullopt;
  }
  const WallTime found{std::chrono::microseconds(absl::ToUnixMicros(time))};
  return is_in_calendar(found) ? std::optional(found) : std::nullopt;
}

}  // namespace ndb
