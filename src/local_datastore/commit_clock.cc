#include "local_datastore/commit_clock.h"

#include <algorithm>

namespace ndb::local {

Version CommitClock::now() const { return clock_.now().time_since_epoch().count(); }

Version CommitClock::begin_commit() {
  MutexLock lock(mutex_);
  last_ = std::max(last_ + 1, now());
  in_flight_ = last_;
  return last_;
}

void CommitClock::end_commit() {
  {
    MutexLock lock(mutex_);
    in_flight_ = 0;
  }
  ended_.notify_all();
}

Version CommitClock::read_time() {
  MutexLock lock(mutex_);
  if (in_flight_ != 0) return in_flight_ - 1;
  last_ = std::max(last_, now());
  return last_;
}

bool CommitClock::reach(Version at) {
  MutexLock lock(mutex_);
  if (at > std::max(last_, now())) return false;
  while (in_flight_ != 0 && at >= in_flight_) ended_.wait(mutex_);
  last_ = std::max(last_, at);
  return true;
}

}  // namespace ndb::local
