// Tells when one step of an event loop keeps it from all others.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "tasklet/event_loop.h"

namespace ndb::worker_pool {

// Looks at a loop's pulse from time to time. Belongs to whoever looks.
class StallWatch {
 public:
  explicit StallWatch(std::chrono::nanoseconds limit) : limit_(limit) {}

  // How long the present step has lasted at least, when that reaches the limit, and again each time it is tenfold.
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
