// The one door to time, so that tests can move it.
#pragma once

#include <chrono>

namespace ndb {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using Monotonic = std::chrono::nanoseconds;  // since boot, counting through suspension (CLOCK_BOOTTIME)

// Thread-safe. Two implementations: the system's, and the one that tests move by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;
  virtual Monotonic monotonic() const = 0;

  static const Clock& system();  // lives for ever
};

}  // namespace ndb
