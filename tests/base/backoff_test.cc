#include "base/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace ndb {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, IsDrawnFromAShareOfABoundThatGrows) {
  const Backoff backoff{.initial = 100ms, .maximum = 1s, .multiplier = 2, .least = 0.5};
  const std::chrono::microseconds bounds[] = {100ms, 200ms, 400ms, 800ms, 1s, 1s};
  for (int failures = 1; failures <= 6; ++failures) {
    const auto bound = bounds[failures - 1];
    std::chrono::microseconds shortest = bound, longest = 0s;
    for (int i = 0; i < 1000; ++i) {
      const auto delay = backoff.delay(failures);
      shortest = std::min(shortest, delay);
      longest = std::max(longest, delay);
    }
    EXPECT_GE(shortest, bound / 2);
    EXPECT_LE(longest, bound);
    EXPECT_GT(longest - shortest, bound / 4) << "the delays are hardly random";
  }
}

TEST(Backoff, StaysWithinItsBoundsWhateverTheCount) {
  const Backoff backoff{.initial = 100ms, .maximum = 30s, .multiplier = 2, .least = 0};
  for (const int failures : {std::numeric_limits<int>::min(), -1, 0, 1, 2, 1000, std::numeric_limits<int>::max()}) {
    EXPECT_GE(backoff.delay(failures), 0s) << failures;
    EXPECT_LE(backoff.delay(failures), failures <= 1 ? std::chrono::microseconds(100ms) : 30s) << failures;
  }
}

}  // namespace
}  // namespace ndb
