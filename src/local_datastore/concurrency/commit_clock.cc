#include "local_datastore/concurrency/commit_clock.h"

#include <algorithm>

namespace ndb::local {

Version CommitClock::now() const { return Version(clock_.now()); }

Version CommitClock::begin_commit() {
  MutexLock lock(mutex_);
  last_ = std::max(last_.next(), now());
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
  if (!in_flight_.empty()) return in_flight_.front().previous();
  last_ = std::max(last_, now());
  return last_;
}

absl::StatusOr<bool> CommitClock::reach(Version at, const CallContext& call) {
  MutexLock lock(mutex_);
  if (at > std::max(last_, now())) return false;
  const auto decided = [&]() NDB_REQUIRES(mutex_) { return lost_ || in_flight_.empty() || at < in_flight_.front(); };
  if (!call.wait(ended_, mutex_, std::nullopt, decided)) return call.check();
  if (!in_flight_.empty() && at >= in_flight_.front()) return false;
  last_ = std::max(last_, at);
  return true;
}

}  // namespace ndb::local
