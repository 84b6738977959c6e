#include "local_datastore/concurrency/commit_clock.h"

#include <algorithm>

namespace ndb::local {

Version CommitClock::now() const { return clock_.now().time_since_epoch().count(); }

Version CommitClock::begin_commit() {
  MutexLock lock(mutex_);
  last_ = std::max(last_ + 1, now());
  in_flight_.push_back(last_);
  return last_;
}

void CommitClock::end_commits(Version until) {
  {
    MutexLock lock(mutex_);
    while (!in_flight_.empty() && in_flight_.front() <= until) in_flight_.pop_front();
  }
  ended_.notify_all();
}

void CommitClock::cancel_commit(Version commit) {
  {
    MutexLock lock(mutex_);
    std::erase(in_flight_, commit);
  }
  ended_.notify_all();
}

void CommitClock::lose_commits() {
  {
    MutexLock lock(mutex_);
    lost_ = true;
  }
  ended_.notify_all();
}

Version CommitClock::read_time() {
  MutexLock lock(mutex_);
  if (!in_flight_.empty()) return in_flight_.front() - 1;
  last_ = std::max(last_, now());
  return last_;
}

bool CommitClock::reach(Version at) {
  MutexLock lock(mutex_);
  if (at > std::max(last_, now())) return false;
  while (!in_flight_.empty() && at >= in_flight_.front()) {
    if (lost_) return false;
    ended_.wait(mutex_);
  }
  last_ = std::max(last_, at);
  return true;
}

}  // namespace ndb::local
