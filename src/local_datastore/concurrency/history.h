// Which of the past can still be read, and who reads it.
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

// The versions that newer ones have replaced are kept for a time, and within a number of bytes: beyond either, the
// oldest are forgotten. What somebody reads is kept until he is done, whatever the limits. Thread-safe.
class History {
 public:
  struct Limits {
    std::chrono::microseconds age = std::chrono::hours(1);
    std::optional<std::size_t> bytes{};  // none: as many as there are
  };
  // The clock outlives it.
  History(const Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

  // Keeps what there was at that time until release(). FAILED_PRECONDITION, with the oldest time that can be read, if
  // some of it is forgotten or older than the limit.
  absl::Status hold(Version at);
  // The latest time of all.
  Version hold_latest(CommitClock& commits);
  void release(Version at);

  // Whether the versions that a commit has replaced are to be forgotten: they are beyond the limits, and nobody reads
  // them. From then on no time before the commit can be held. `latest` is the newest time that can be read.
  bool forget(Version commit, Version latest);

  // The bytes of versions that were replaced, and of those that were forgotten.
  void add(std::size_t bytes);
  void remove(std::size_t bytes);
  void clear();
  // By how much there is too much of it; zero within the limit.
  std::size_t excess() const;

 private:
  std::size_t over_limit() const NDB_REQUIRES(mutex_);
  Version oldest() const NDB_REQUIRES(mutex_);

  const Clock& clock_;
  const Limits limits_;
  mutable Mutex mutex_;
  std::multiset<Version> held_ NDB_GUARDED_BY(mutex_);
  Version forgotten_ NDB_GUARDED_BY(mutex_);  // what commits up to this one have replaced
  std::size_t bytes_ NDB_GUARDED_BY(mutex_) = 0;
};

// hold() for as long as this lives. Not OK if it could not be had.
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
