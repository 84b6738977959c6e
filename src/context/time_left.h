// What the bounds of a request leave to its calls. Null bounds: nothing bounds them.
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

// What gives locks back, or makes up for a call that has ended, gets so much time after the end of its request.
inline constexpr std::chrono::milliseconds kTimeToRelease{20};

// OK, or why the request is over.
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

// The same for what must be tried even if it is over.
inline std::chrono::nanoseconds time_to_release(const Bounds* bounds) {
  return std::max<std::chrono::nanoseconds>(time_left(bounds), kTimeToRelease);
}

// The error of what failed with `cause`, and was tried again until the request was over. What its user can do about a
// deadline depends on the cause if that is want of memory.
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
