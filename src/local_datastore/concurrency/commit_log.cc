#include "local_datastore/concurrency/commit_log.h"

#include <algorithm>
#include <utility>

namespace ndb::local {

// The time is read under the mutex: a concurrent append() either comes first, and its entries are not later than the
// time, or finds the pin.
Version CommitLog::pin() {
  MutexLock lock(mutex_);
  return *pins_.insert(clock_.read_time());
}

void CommitLog::unpin(Version at) {
  MutexLock lock(mutex_);
  pins_.erase(pins_.find(at));
}

void CommitLog::append(Version version, std::vector<std::string> keys) {
  MutexLock lock(mutex_);
  Version needed = clock_.read_time();
  if (!pins_.empty()) needed = std::min(needed, *pins_.begin());
  while (!commits_.empty() && commits_.front().version <= needed) commits_.pop_front();
  commits_.push_back({version, std::move(keys)});
}

std::optional<std::string> CommitLog::changed_since(Version at, const ReadSet& reads) const {
  MutexLock lock(mutex_);
  for (auto commit = commits_.rbegin(); commit != commits_.rend() && commit->version > at; ++commit) {
    const auto changed = std::find_if(commit->keys.begin(), commit->keys.end(),
                                      [&reads](const std::string& key) { return reads.contains(key); });
    if (changed != commit->keys.end()) return *changed;
  }
  return std::nullopt;
}

}  // namespace ndb::local
