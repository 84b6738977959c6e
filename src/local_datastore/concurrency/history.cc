#include "local_datastore/concurrency/history.h"

#include <algorithm>

#include "base/rfc3339.h"
#include "base/strings.h"

namespace ndb::local {

Version History::oldest() const { return std::max(forgotten_, Version(clock_.now()) - limits_.age); }

absl::Status History::hold(Version at) {
  const MutexLock lock(mutex_);
  const Version oldest = this->oldest();
  if (at >= oldest && at > Version()) {
    held_.insert(at);
    return absl::OkStatus();
  }
  std::string kept = cat(std::chrono::duration_cast<std::chrono::seconds>(limits_.age).count(), " seconds of history");
  if (limits_.bytes.has_value()) kept += cat(", and at most ", *limits_.bytes, " bytes of it");
  return absl::FailedPreconditionError(cat("The requested read_time is too old; this database keeps ", kept,
                                           ". The oldest time that can be read is ",
                                           format_time(WallTime(std::chrono::microseconds(oldest.micros()))), "."));
}

// Fails only if that time was forgotten since, and is no longer the latest then.
Version History::hold_latest(CommitClock& commits) {
  Version at = commits.read_time();
  while (!hold(at).ok()) at = commits.read_time();
  return at;
}

void History::release(Version at) {
  const MutexLock lock(mutex_);
  held_.erase(held_.find(at));
}

bool History::forget(Version commit, Version latest) {
  const MutexLock lock(mutex_);
  const bool beyond = commit <= Version(clock_.now()) - limits_.age || over_limit() > 0;
  if (!beyond || commit > latest || (!held_.empty() && *held_.begin() < commit)) return false;
  forgotten_ = std::max(forgotten_, commit);
  return true;
}

void History::add(std::size_t bytes) {
  const MutexLock lock(mutex_);
  bytes_ += bytes;
}

void History::remove(std::size_t bytes) {
  const MutexLock lock(mutex_);
  bytes_ -= std::min(bytes, bytes_);
}

void History::clear() {
  const MutexLock lock(mutex_);
  bytes_ = 0;
}

std::size_t History::excess() const {
  const MutexLock lock(mutex_);
  return over_limit();
}

std::size_t History::over_limit() const {
  return limits_.bytes.has_value() && bytes_ > *limits_.bytes ? bytes_ - *limits_.bytes : 0;
}

}  // namespace ndb::local
