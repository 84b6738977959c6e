// How long to wait before trying again.
#pragma once

#include <chrono>

namespace ndb {

// Exponential backoff with jitter. The delay is random, between `least` times a bound and the bound, so that callers
// that failed together do not retry together. The bound is `initial` at first, and `multiplier` times as much after
// each further attempt, up to `maximum`.
struct Backoff {
  std::chrono::microseconds initial = std::chrono::milliseconds(100);
  std::chrono::microseconds maximum = std::chrono::seconds(60);
  double multiplier = 1.3;
  double least = 0.5;  // 0 to 1

  // The delay after this many failed attempts, at least 1. Thread-safe.
  std::chrono::microseconds delay(int failures) const;
};

}  // namespace ndb
