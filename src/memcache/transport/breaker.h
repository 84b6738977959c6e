// A circuit breaker: keeps a server that does not answer from costing every call a time-out.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"
#include "base/mutex.h"

namespace ndb::memcache {

// Opens after a number of failures in a row. While it is open, one caller at a time may try the server, no sooner than
// an interval after the last failure; a success closes it. Thread-safe; costs one relaxed load while it is closed.
class Breaker {
 public:
  static constexpr int kFailures = 3;
  static constexpr std::chrono::milliseconds kInterval{1000};

  explicit Breaker(const Clock& clock) : clock_(&clock) {}

  // Whether to use the server now. Every call that was allowed ends with one of the three functions below.
  bool allow();
  void succeeded();
  void failed();
  void undecided();  // the result says nothing about the server's health

 private:
  const Clock* clock_;
  std::atomic<int> failures_{0};
  Mutex mutex_;
  Monotonic next_probe_ NDB_GUARDED_BY(mutex_){};
  bool probing_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb::memcache
