#include "local_datastore/call_context.h"

#include "base/status_macros.h"

namespace ndb::local {

void CallContext::cancel(absl::Status reason) {
  {
    const MutexLock lock(mutex_);
    if (reason_.ok()) reason_ = std::move(reason);
  }
  stop_.request_stop();
}

absl::Status CallContext::check() const {
  if (stop_.stop_requested()) {
    const MutexLock lock(mutex_);
    return reason_;
  }
  if (const Limit left = time_left(); left.has_value() && left->count() <= 0) {
    return absl::DeadlineExceededError("the call's deadline has passed");
  }
  return absl::OkStatus();
}

CallContext::Limit CallContext::time_left() const {
  if (!deadline_.has_value()) return std::nullopt;
  return *deadline_ - clock_->monotonic();
}

}  // namespace ndb::local
