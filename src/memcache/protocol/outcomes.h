// The outcomes of protocol operations, and the durations that callers depend on.
#pragma once

#include <chrono>
#include <cstdint>

namespace ndb::memcache {

// Of a read.
enum class ReadOutcome : std::uint8_t {
  kHit,     // an entity
  kAbsent,  // known not to exist
  kMiss,    // nothing is known; the holder of a lease may fill
  kBypass,  // locked, of an unknown format, or no answer: read the Datastore and do not fill. Of an entity that lives
            // in memcache alone: no answer, so that nobody knows whether it is there
};

// The outcome of a Commit to the Datastore when its locks are released.
enum class CommitOutcome : std::uint8_t { kApplied, kFailed, kUnknown };

// How long a lock stays after a Commit of unknown outcome: longer than the Commit can still be applied.
inline constexpr std::chrono::seconds kUnknownHold{330};

}  // namespace ndb::memcache
