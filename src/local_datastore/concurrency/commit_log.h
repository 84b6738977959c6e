// What recent commits wrote, for those who have read before it.
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

  // A read time whose later commits are remembered until unpin().
  Version pin();
  void unpin(Version at);

  // A commit that has begun: its keys are in the log before it can end. Forgets what nobody can ask for.
  void append(Version version, std::vector<std::string> keys);

  // A key of `reads` that a commit later than `at`, in flight or ended, has written. `at` is pinned.
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
