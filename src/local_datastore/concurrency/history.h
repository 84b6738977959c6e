// Which past times can still be read, and which are being read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "local_datastore/concurrency/commit_clock.h"
#include "local_datastore/version.h"

namespace ndb::local {

// Versions that newer ones have replaced are kept up to an age and a number of bytes. Beyond either limit the oldest
// are erased, except those that a call or a transaction reads. Thread-safe.
class History {
 public:
  struct Limits {
    std::chrono::microseconds age = std::chrono::hours(1);
    std::optional<std::size_t> bytes{};  // none: no limit
  };
  // The clock outlives it.
  History(const Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

  // Keeps the snapshot of that time readable until release(). FAILED_PRECONDITION, with the oldest readable time, if it
  // is older than the limit of age, or some of it was erased.
  absl::Status hold(Version at);
  // The same for the latest time.
  Version hold_latest(CommitClock& commits);
  void release(Version at);

  // Whether to erase the versions that a commit has replaced now: they are beyond the limits, and no time before the
  // commit is held. If true, no time before the commit can be held any more. `latest` is the latest readable time.
  bool forget(Version commit, Version latest);

  // Count the bytes of versions that were replaced, and of versions that were erased.
  void add(std::size_t bytes);
  void remove(std::size_t bytes);
  void clear();
  // The bytes beyond the limit; zero within it.
  std::size_t excess() const;

 private:
  std::size_t over_limit() const NDB_REQUIRES(mutex_);
  Version oldest() const NDB_REQUIRES(mutex_);

  const Clock& clock_;
  const Limits limits_;
  mutable Mutex mutex_;
  std::multiset<Version> held_ NDB_GUARDED_BY(mutex_);
  Version forgotten_ NDB_GUARDED_BY(mutex_);  // versions replaced by commits up to this one may be erased
  std::size_t bytes_ NDB_GUARDED_BY(mutex_) = 0;
};

// Holds a time during its lifetime. The status is that of hold().
class HistoryHold {
 public:
  HistoryHold(History& history, Version at) : history_(history), at_(at), status_(history.hold(at)) {}
  HistoryHold(History& history, CommitClock& commits) : history_(history), at_(history.hold_latest(commits)) {}
  ~HistoryHold() {
    if (status_.ok()) history_.release(at_);
  }
  HistoryHold(const HistoryHold&) = delete;
  HistoryHold& operator=(const HistoryHold&) = delete;

  const absl::Status& status() const { return status_; }
  Version at() const { return at_; }

 private:
  History& history_;
  const Version at_;
  const absl::Status status_;
};

}  // namespace ndb::local
