// How long a call may run: until its client has gone, its deadline has passed, or the server stops.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ndb::local {

// The code that carries the call makes it. Every loop over rows and every wait of the engine checks it, so that a call
// ends soon after nobody wants its answer any more. Thread-safe; outlives the call.
class CallContext {
 public:
  CallContext() = default;  // runs until cancel()
  // `connection` names the client's connection, if it is known; Engine::disconnected() uses this name when it has
  // closed. The clock outlives the call.
  CallContext(const Clock& clock, std::optional<Monotonic> deadline, std::string connection = {})
      : clock_(&clock), deadline_(deadline), connection_(std::move(connection)) {}
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  // Ends the call with `reason`, which is not OK: CANCELLED if its client has gone, UNAVAILABLE if the server stops.
  // Later reasons are ignored.
  void cancel(absl::Status reason);

  // OK while the call may run; afterwards the reason of its end, or DEADLINE_EXCEEDED. Cheap enough for every row of a
  // scan.
  absl::Status check() const;

  const std::string& connection() const { return connection_; }  // empty: unknown

  using Limit = std::optional<std::chrono::nanoseconds>;

  // Waits until ready() is true, the call has ended, or `limit` has passed, and returns ready(). ready() is called with
  // the mutex held; code that changes its answer must notify the condition.
  template <class Ready>
  bool wait(Condition& condition, Mutex& mutex, Limit limit, Ready ready) const NDB_REQUIRES(mutex) {
    if (const Limit left = time_left(); left.has_value()) limit = limit.has_value() ? std::min(*limit, *left) : *left;
    if (!limit.has_value()) return condition.wait(mutex, stop_.get_token(), std::move(ready));
    return condition.wait_for(mutex, stop_.get_token(), *limit, std::move(ready));
  }

 private:
  Limit time_left() const;

  const Clock* const clock_ = nullptr;
  const std::optional<Monotonic> deadline_;
  const std::string connection_;
  std::stop_source stop_;
  mutable Mutex mutex_;
  absl::Status reason_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::local
