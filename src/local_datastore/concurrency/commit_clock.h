// The order of all that is committed: every commit has a time of its own, and a read time never sees half of a commit.
#pragma once

#include <deque>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "local_datastore/call_context.h"
#include "local_datastore/version.h"

namespace ndb::local {

// Times that only grow, whatever the system's clock does. Thread-safe.
class CommitClock {
 public:
  // No time at or before `last` is given out again.
  CommitClock(const Clock& clock, Version last) : clock_(clock), last_(last) {}

  // The time of a commit: later than every commit and every read time before it. Until it ends, read times stay below
  // it.
  Version begin_commit();
  // This commit is durable, and with it all before it.
  void end_commits(Version until);
  // This one wrote nothing.
  void cancel_commit(Version commit);
  // Of what is in flight nobody knows whether it is durable, and nobody will: it stays in flight, so that it is not
  // read, and no one waits for it.
  void lose_commits();

  // A time at which all acknowledged commits are visible and to which no commit will be added.
  Version read_time();

  // Waits until `at` is such a time; false if it is in the future, or not before a lost commit. An error if the call
  // ends first.
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
