// A clock that advances only when a test moves it.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace ndb::testing {

// Thread-safe. Starts at the real time, because servers that a test uses have clocks of their own.
class FakeClock final : public Clock {
 public:
  WallTime now() const override { return start_ + std::chrono::floor<std::chrono::microseconds>(passed()); }
  Monotonic monotonic() const override { return Monotonic(std::chrono::hours(1) + passed()); }
  void advance(std::chrono::nanoseconds by) { passed_ += by.count(); }

 private:
  std::chrono::nanoseconds passed() const { return std::chrono::nanoseconds(passed_.load()); }

  const WallTime start_ = Clock::system().now();
  std::atomic<std::int64_t> passed_{0};
};

}  // namespace ndb::testing
