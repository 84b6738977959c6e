// The only access to time, so that tests can control it.
#pragma once

#include <chrono>

namespace ndb {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// What Clock::monotonic() counts from: the machine's boot, including suspension (CLOCK_BOOTTIME). It gives points in
// time a type of their own, so that they cannot be mistaken for durations. A Clock tells the time.
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

  static const Clock& system();  // never destroyed
};

}  // namespace ndb
