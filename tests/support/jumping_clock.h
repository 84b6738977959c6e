// A clock that jumps to the time until which a loop would have slept.
#pragma once

#include <chrono>

#include "base/clock.h"
#include "tasklet/event_loop.h"

namespace ndb::testing {

// While it lives, this thread's loop uses a clock that jumps instead of sleeping.
class JumpingClock final : public Clock {
 public:
  JumpingClock() {
    EventLoop::current().use_clock(*this, [this](Monotonic when) { now_ = when; });
  }
  ~JumpingClock() override { EventLoop::current().use_clock(Clock::system(), nullptr); }
  JumpingClock(const JumpingClock&) = delete;
  JumpingClock& operator=(const JumpingClock&) = delete;

  WallTime now() const override {
    return WallTime(std::chrono::floor<std::chrono::microseconds>(now_.time_since_epoch()));
  }
  Monotonic monotonic() const override { return now_; }
  void advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  Monotonic now_{std::chrono::hours(1)};
};

}  // namespace ndb::testing
