// How much time its bounds leave to a request for its calls. Null bounds: no limit.
#pragma once

#include <algorithm>
#include <chrono>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"
#include "datastore/stub.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

// Extra time after the end of a request, for calls that release locks or make up for a call that has failed.
inline constexpr std::chrono::milliseconds kTimeToRelease{20};

// OK, or the reason why the request is over.
inline absl::Status check(const Bounds* bounds) {
  return bounds != nullptr ? bounds->check(EventLoop::current().now()) : absl::OkStatus();
}

// 0: the request is over. nanoseconds::max(): it has no deadline.
inline std::chrono::nanoseconds time_left(const Bounds* bounds) {
  if (bounds == nullptr) return std::chrono::nanoseconds::max();
  if (bounds->cancelled()) return std::chrono::nanoseconds(0);
  if (bounds->deadline() == Monotonic::max()) return std::chrono::nanoseconds::max();
  return std::max(bounds->deadline() - EventLoop::current().now(), std::chrono::nanoseconds(0));
}

// The same for calls that must be tried even if the request is over.
inline std::chrono::nanoseconds time_to_release(const Bounds* bounds) {
  return std::max<std::chrono::nanoseconds>(time_left(bounds), kTimeToRelease);
}

// The error of an operation that failed with `cause` and was retried until the request was over. If it lacked memory,
// the error keeps the code of `cause`, because a longer deadline would not help.
inline absl::Status gave_up(const absl::Status& over, const absl::Status& cause) {
  if (absl::IsDeadlineExceeded(over) && absl::IsResourceExhausted(cause)) {
    return annotate(cause, from_absl(over.message()));
  }
  return annotate(over, from_absl(cause.message()));
}

// The options of an RPC that ends with the request.
inline datastore::CallOptions within(const Bounds* bounds, datastore::CallOptions options) {
  if (bounds == nullptr) return options;
  options.stop = bounds->stop_token();
  if (bounds->deadline() == Monotonic::max()) return options;
  const auto left =
      std::max(std::chrono::ceil<std::chrono::milliseconds>(time_left(bounds)), std::chrono::milliseconds(1));
  options.deadline = std::min(options.deadline.value_or(left), left);
  return options;
}

}  // namespace ndb::context
