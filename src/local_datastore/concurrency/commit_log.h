// The keys that recent commits have written, against which read sets are checked.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "local_datastore/concurrency/commit_clock.h"
#include "local_datastore/concurrency/read_set.h"

namespace ndb::local {

// Thread-safe. The clock outlives it.
class CommitLog {
 public:
  explicit CommitLog(CommitClock& clock) : clock_(clock) {}

  // Returns a read time, and keeps the commits after it in the log until unpin().
  Version pin();
  void unpin(Version at);

  // Adds a commit that has begun, before it can end. Removes commits that no pinned time needs.
  void append(Version version, std::vector<std::string> keys);

  // Returns a key of `reads` that a commit after `at`, in flight or ended, has written; nullopt if there is none. `at`
  // is pinned.
  std::optional<std::string> changed_since(Version at, const ReadSet& reads) const;

 private:
  struct Commit {
    Version version;
    std::vector<std::string> keys;
  };
  CommitClock& clock_;
  mutable Mutex mutex_;
  std::multiset<Version> pins_ NDB_GUARDED_BY(mutex_);
  std::deque<Commit> commits_ NDB_GUARDED_BY(mutex_);  // in the order of their versions
};

}  // namespace ndb::local
