// Detects that one step of an event loop keeps its thread busy for long.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "tasklet/event_loop.h"

namespace ndb::worker_pool {

// Compares the pulse of a loop with what it saw before. Used by one thread.
class StallWatch {
 public:
  explicit StallWatch(std::chrono::nanoseconds limit) : limit_(limit) {}

  // How long the present step has lasted at least, once this reaches the limit, and again after each tenfold time.
  std::optional<std::chrono::nanoseconds> look(const LoopPulse& pulse, Monotonic now) {
    if (pulse.waiting() || pulse.steps() != step_ || !since_) {
      step_ = pulse.steps();
      since_ = now;
      next_ = limit_;
      return std::nullopt;
    }
    const std::chrono::nanoseconds lasts = now - *since_;
    if (lasts < next_) return std::nullopt;
    while (next_ <= lasts && next_ <= std::chrono::hours(24)) next_ *= 10;
    return lasts;
  }
  bool stalled() const { return next_ > limit_; }

 private:
  const std::chrono::nanoseconds limit_;
  std::uint64_t step_ = 0;
  std::optional<Monotonic> since_;  // when `step_` was first seen
  std::chrono::nanoseconds next_ = limit_;
};

}  // namespace ndb::worker_pool
