// Until when this thread may wait for memcached.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace ndb::memcache {

// During its lifetime, what this thread asks of memcached servers ends after `left`, by the machine's clock: time-outs
// are shortened, and servers are not asked at all when nothing is left. The operation then treats them as servers that
// do not answer; the circuit breaker counts it as a part of a time-out. Of nested limits the innermost
// decides.
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
