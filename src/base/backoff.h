// How long to wait before trying again.
#pragma once

#include <chrono>

namespace ndb {

// Exponential backoff with jitter. A delay is drawn at random between `least` times a bound and the bound, so that
// those who failed together do not come back together; the bound is `initial` at first, and `multiplier` times as much
// after each further attempt, up to `maximum`.
struct Backoff {
  std::chrono::microseconds initial = std::chrono::milliseconds(100);
  std::chrono::microseconds maximum = std::chrono::seconds(60);
  double multiplier = 1.3;
  double least = 0.5;  // 0 to 1

  // The delay after so many attempts that failed, from 1 on. Thread-safe.
  std::chrono::microseconds delay(int failures) const;
};

}  // namespace ndb
