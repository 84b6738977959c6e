// The limits of one Commit, and how long it and its locks last.
#pragma once

#include <chrono>
#include <cstddef>

#include "model/limits.h"

namespace ndb::context {

// Of the Datastore API: mutations, and their bytes, of which some are left for the rest of the request.
inline constexpr std::size_t kCommitMutations = kMaxCommitMutations;
inline constexpr std::size_t kCommitBytes = kMaxRequestBytes - 64 * 1024;

// How long a Commit may take by default, and at most: locks in memcache last no longer.
inline constexpr std::chrono::milliseconds kCommitDeadline = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kLongestCommitDeadline = std::chrono::seconds(300);

// How much longer than its Commit's deadline a lock lasts when the Commit is sent.
inline constexpr std::chrono::milliseconds kLockMargin = std::chrono::seconds(2);

// The longest pause before another attempt at locks that memcached had no memory for. It comes back as other writers
// end: soon, or not at all.
inline constexpr std::chrono::milliseconds kLongestLockPause{1000};

}  // namespace ndb::context
