// The order of all commits: each has a time of its own, and a read at any time sees each commit whole or not at all.
#pragma once

#include <deque>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "local_datastore/call_context.h"
#include "local_datastore/version.h"

namespace ndb::local {

// Gives times that only grow, even if the system's clock is set back. Thread-safe.
class CommitClock {
 public:
  // All times are later than `last`.
  CommitClock(const Clock& clock, Version last) : clock_(clock), last_(last) {}

  // Gives a commit its time, which is later than every commit time and read time before it. Until the commit ends, read
  // times stay below it.
  Version begin_commit();
  // This commit and all before it are durable.
  void end_commits(Version until);
  // This commit wrote nothing.
  void cancel_commit(Version commit);
  // After a failed write or fsync: whether the commits in flight are durable will remain unknown. They stay in flight,
  // so that nobody reads them, and waits for them end.
  void lose_commits();

  // The latest time at which a snapshot is complete: it has all acknowledged commits, and every later commit gets a
  // later time.
  Version read_time();

  // Waits until a snapshot at `at` is complete. False if `at` is in the future, or if a lost commit is not after it; an
  // error if the call ends first.
  absl::StatusOr<bool> reach(Version at, const CallContext& call);

 private:
  Version now() const;

  const Clock& clock_;
  Mutex mutex_;
  Condition ended_;
  Version last_ NDB_GUARDED_BY(mutex_);                   // the latest time given out
  std::deque<Version> in_flight_ NDB_GUARDED_BY(mutex_);  // in their order
  bool lost_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb::local
