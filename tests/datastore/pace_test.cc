// The deadline and the backoff of calls that take several RPCs.
#include "datastore/pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using ndb::datastore::CallOptions;
using ndb::datastore::Pace;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr ndb::Monotonic kStart{std::chrono::hours(1)};

TEST(Pace, TheDeadlineIsThatOfTheWholeCall) {
  Pace pace({.deadline = milliseconds(2000), .retries = 3}, kStart);
  const auto first = pace.next(kStart);
  EXPECT_EQ(first->pause.count(), 0);
  EXPECT_EQ(first->options.deadline, milliseconds(2000));
  EXPECT_EQ(first->options.retries, 3);
  pace.progressed(kStart + milliseconds(1500));
  EXPECT_EQ(pace.next(kStart + milliseconds(1500))->options.deadline, milliseconds(500));
  const auto late = pace.next(kStart + milliseconds(2000));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.status().message()), AllOf(HasSubstr("2000 ms"), HasSubstr("2 RPCs")));
  pace.begin(kStart + seconds(5));
  EXPECT_EQ(pace.next(kStart + seconds(5))->options.deadline, milliseconds(2000));
}

TEST(Pace, WithoutADeadlineItEndsAMinuteAfterTheLastProgress) {
  Pace pace({}, kStart);
  EXPECT_EQ(pace.next(kStart + seconds(59))->options.deadline, seconds(1));
  pace.progressed(kStart + seconds(59));
  EXPECT_EQ(pace.next(kStart + seconds(61))->options.deadline, seconds(58));
  EXPECT_FALSE(pace.next(kStart + seconds(119)).ok());
}

TEST(Pace, PausesGrowUntilThereIsProgress) {
  Pace pace({}, kStart);
  for (int stalls = 1; stalls <= 3; ++stalls) {
    pace.stalled();
    const milliseconds bound(10 << (stalls - 1));
    EXPECT_THAT(pace.next(kStart)->pause, AllOf(Ge(bound / 2), Le(bound)));
  }
  pace.progressed(kStart);
  EXPECT_EQ(pace.next(kStart)->pause.count(), 0);
  for (int stalls = 0; stalls < 1000; ++stalls) pace.stalled();
  EXPECT_THAT(pace.next(kStart)->pause, Le(seconds(5)));
  EXPECT_FALSE(pace.next(kStart + seconds(58)).ok());  // the pause would end after the call's deadline
}

}  // namespace
