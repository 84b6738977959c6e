// A circuit breaker: keeps a server that does not answer from costing every call a time-out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

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

  // Whether to use the server now. Every call that was allowed ends with one of the four functions below.
  bool allow();
  void succeeded();
  void failed();
  // The caller's time was over before the server's `timeout` was, without an answer between `from` and `to`. Such waits
  // add up: those that last for `timeout` together are a failure. Waits at the same time count once, so that a short
  // pause of a healthy server does not become a long one by the number of its callers.
  void cut_short(Monotonic from, Monotonic to, std::chrono::milliseconds timeout);
  void undecided();  // the result says nothing about the server's health

 private:
  static constexpr std::int64_t kOne = 1'000'000;  // a failure; less is part of one

  bool is_closed() const { return failures_.load(std::memory_order_relaxed) < kFailures * kOne; }
  void add(std::int64_t failure) NDB_REQUIRES(mutex_);

  const Clock* clock_;
  std::atomic<std::int64_t> failures_{0};
  Mutex mutex_;
  Monotonic silent_until_ NDB_GUARDED_BY(mutex_){};  // what was counted of cut_short()
  Monotonic next_probe_ NDB_GUARDED_BY(mutex_){};
  bool probing_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb::memcache
