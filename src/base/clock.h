// The one door to time, so that tests can move it.
#pragma once

#include <chrono>

namespace ndb {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// What Clock::monotonic() counts from: the machine's boot, through suspension (CLOCK_BOOTTIME). It gives time points a
// type of their own, so that a point in time is not taken for a duration; the time itself is asked of a Clock.
struct BootTime {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootTime>;
  static constexpr bool is_steady = true;
};
using Monotonic = BootTime::time_point;

// Thread-safe. Two implementations: the system's, and the one that tests move by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;
  virtual Monotonic monotonic() const = 0;

  static const Clock& system();  // lives for ever
};

}  // namespace ndb
