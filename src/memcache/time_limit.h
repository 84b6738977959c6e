// Until when this thread may wait for memcached.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace ndb::memcache {

// While it lives, what this thread asks of memcached servers ends after `left`, by the machine's clock: time-outs are
// cut short, and servers are not asked at all when nothing is left. To the operation that is as if they had not
// answered; for the circuit breaker it does not count. Of nested ones the innermost decides.
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
