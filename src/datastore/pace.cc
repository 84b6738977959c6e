#include "datastore/pace.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace ndb::datastore {
namespace {

// Shorter than the backoff of an RPC that failed: here the server works, but has made no progress.
constexpr Backoff kPause{
    .initial = std::chrono::milliseconds(10), .maximum = std::chrono::seconds(5), .multiplier = 2, .least = 0.5};

}  // namespace

void Pace::begin(Monotonic now) {
  end_ = now + options_.deadline.value_or(kDefaultDeadline);
  rpcs_ = stalls_ = 0;
}

void Pace::progressed(Monotonic now) {
  stalls_ = 0;
  if (!options_.deadline) end_ = now + kDefaultDeadline;
}

absl::StatusOr<Pace::Next> Pace::next(Monotonic now) {
  Next next{.pause = stalls_ > 0 ? kPause.delay(stalls_) : std::chrono::microseconds(0), .options = options_};
  const auto left = std::min(end_, latest_) - now - next.pause;
  if (left <= std::chrono::nanoseconds(0)) {
    const std::string whose = latest_ < end_
                                  ? "the time of the request is"
                                  : cat("the call's ", options_.deadline.value_or(kDefaultDeadline).count(), " ms are");
    return absl::DeadlineExceededError(
        to_absl(cat(whose, " over after ", rpcs_, " RPCs, of which the last ", stalls_, " brought nothing")));
  }
  next.options.deadline = std::chrono::ceil<std::chrono::milliseconds>(left);
  ++rpcs_;
  return next;
}

}  // namespace ndb::datastore
