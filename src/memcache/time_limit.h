// Until when this thread may wait for memcached.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace ndb::memcache {

// During its lifetime, an exchange of this thread with memcached servers ends at the latest after `left`, by the
// machine's clock: time-outs are shortened, and when nothing is left, no server is asked. The operation then treats the
// servers as if they did not answer; the circuit breaker counts a wait that was cut short as a part of a time-out. Of
// nested limits the innermost decides.
class TimeLimit {
 public:
  explicit TimeLimit(std::chrono::nanoseconds left);
  ~TimeLimit() { until() = before_; }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  static Monotonic current() { return until(); }  // max(): none
  static bool over() { return current() != Monotonic::max() && Clock::system().monotonic() >= current(); }

 private:
  static Monotonic& until();
  const Monotonic before_;
};

}  // namespace ndb::memcache
