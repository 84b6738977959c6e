// What the tests of this room share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ndb/future.h"
#include "ndb/log.h"
#include "support/jumping_clock.h"
#include "tasklet/event_loop.h"

namespace ndb::test {

using testing::JumpingClock;  // ndb::testing

// A future that the test finishes.
template <class T>
class Promise {
 public:
  Future<T> future() const { return Future<T>(state_); }
  detail::FutureState<T>* operator->() const { return state_.get(); }

 private:
  std::shared_ptr<detail::FutureState<T>> state_ = std::make_shared<detail::FutureState<T>>();
};

// Runs steps until nothing is left, like a loop without timers and without operations outside.
inline void run_all() { EventLoop::current().drain(); }

// While it lives, log lines are captured instead of printed.
class CapturedLog {
 public:
  CapturedLog() {
    set_log_sink([this](Severity, std::string_view message) { lines_.emplace_back(message); });
  }
  ~CapturedLog() { set_log_sink(nullptr); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace ndb::test
