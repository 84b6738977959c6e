// The limits of one Commit, and how long it and its locks last.
#pragma once

#include <chrono>
#include <cstddef>

#include "model/limits.h"

namespace ndb::context {

// Limits of the Datastore API for one Commit: the number of mutations, and their bytes less some room for the rest of
// the request.
inline constexpr std::size_t kCommitMutations = kMaxCommitMutations;
inline constexpr std::size_t kCommitBytes = kMaxRequestBytes - 64 * 1024;

// The deadline of a Commit by default, and at most: it must not outlast its locks in memcache.
inline constexpr std::chrono::milliseconds kCommitDeadline = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kLongestCommitDeadline = std::chrono::seconds(300);

// How much longer than its Commit's deadline a lock lasts at the time the Commit is sent.
inline constexpr std::chrono::milliseconds kLockMargin = std::chrono::seconds(2);

// The longest pause before a retry of locks for which memcached had no memory. The memory is freed as other writers
// end: soon, or not at all.
inline constexpr std::chrono::milliseconds kLongestLockPause{1000};

}  // namespace ndb::context
