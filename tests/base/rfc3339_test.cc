#include "base/rfc3339.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ndb {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;

TEST(Rfc3339, ThereAndBack) {
  const struct {
    WallTime time;
    std::string text;
  } cases[] = {
      {WallTime(), "1970-01-01T00:00:00Z"},
      {WallTime(-1us), "1969-12-31T23:59:59.999999Z"},
      {sys_days(2026y / 1 / 2) + 3h + 4min + 5s + 678ms, "2026-01-02T03:04:05.678000Z"},
      {sys_days(2024y / 2 / 29) + 23h + 59min + 59s, "2024-02-29T23:59:59Z"},
      {kFirstTime, "0001-01-01T00:00:00Z"},
      {kFirstTime + 1us, "0001-01-01T00:00:00.000001Z"},
      {sys_days(476y / 9 / 4), "0476-09-04T00:00:00Z"},
      {sys_days(999y / 12 / 31), "0999-12-31T00:00:00Z"},
      {kLastTime, "9999-12-31T23:59:59.999999Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(format_time(c.time), c.text);
    EXPECT_EQ(parse_time(c.text), c.time) << c.text;
  }
}

TEST(Rfc3339, OtherSpellings) {
  const WallTime time = sys_days(2026y / 1 / 2) + 3h + 4min + 5s;
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.5Z"), time + 500ms);
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.1234567Z"), time + 123456us)
      << "what is less than a microsecond is cut off";
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.123456789012Z"), time + 123456us);
  EXPECT_EQ(parse_time("2026-01-02T05:34:05+02:30"), time);
  EXPECT_EQ(parse_time("2026-01-01T23:04:05.25-04:00"), time + 250ms);
  EXPECT_EQ(parse_time("2026-01-02T03:04:05-00:00"), time);
}

TEST(Rfc3339, TextThatIsNotATimeIsRefused) {
  for (const char* text : {"",
                           "2026",
                           "2026-01-02",
                           "2026-01-02T03:04:05",
                           "2026-01-02 03:04:05Z",
                           " 2026-01-02T03:04:05Z",
                           "2026-01-02T03:04:05Z ",
                           "2026-1-2T03:04:05Z",
                           "26-01-02T03:04:05Z",
                           "12026-01-02T03:04:05Z",
                           "-026-01-02T03:04:05Z",
                           "+026-01-02T03:04:05Z",
                           "2026-13-02T03:04:05Z",
                           "2026-00-02T03:04:05Z",
                           "2026-02-30T03:04:05Z",
                           "2025-02-29T03:04:05Z",
                           "2026-01-02T24:00:00Z",
                           "2026-01-02T03:60:05Z",
                           "2026-01-02T03:04:60Z",
                           "2026-01-02T03:04:61Z",
                           "2026-01-02T03:04:05.Z",
                           "2026-01-02T03:04:05,5Z",
                           "2026-01-02T03:04:05.5",
                           "2026-01-02T03:04:05+2:30",
                           "2026-01-02T03:04:05+0230",
                           "2026-01-02T03:04:05+02",
                           "2026-01-02T03:04:05+24:00",
                           "2026-01-02T03:04:05+02:60",
                           "2026-01-02T03:04:05ZZ",
                           "0000-12-31T23:59:59Z",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, TimesWithoutAYearOfFourDigitsAreCounted) {
  EXPECT_EQ(format_time(kFirstTime - 1us), "-62135596800000001us since 1970");
  EXPECT_EQ(format_time(kLastTime + 1us), "253402300800000000us since 1970");
  EXPECT_EQ(format_time(WallTime::min()), "-9223372036854775808us since 1970");
  EXPECT_EQ(format_time(WallTime::max()), "9223372036854775807us since 1970");
}

}  // namespace
}  // namespace ndb
