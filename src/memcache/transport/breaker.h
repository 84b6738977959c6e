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
  // The caller's time ended before the server's `timeout`, and no answer came between `from` and `to`. Such waits add
  // up: they are one failure when they have lasted for `timeout` together. Time in which several callers wait counts
  // once, so that many callers do not make a long pause of a healthy server out of a short one.
  void cut_short(Monotonic from, Monotonic to, std::chrono::milliseconds timeout);
  void undecided();  // the result says nothing about the server's health

 private:
  static constexpr std::int64_t kOne = 1'000'000;  // one failure; a smaller number is a part of one

  bool is_closed() const { return failures_.load(std::memory_order_relaxed) < kFailures * kOne; }
  void add(std::int64_t failure) NDB_REQUIRES(mutex_);

  const Clock* clock_;
  std::atomic<std::int64_t> failures_{0};
  Mutex mutex_;
  Monotonic silent_until_ NDB_GUARDED_BY(mutex_){};  // waits before this time are counted
  Monotonic next_probe_ NDB_GUARDED_BY(mutex_){};
  bool probing_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb::memcache
