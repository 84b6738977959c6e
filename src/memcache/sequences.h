// The operations of the gateway as sequences of steps: for each round, what to send after what was last seen, and what
// the end means. Like the transitions they have no input or output, so that the model in docs/model/ explores the same
// code that the gateway runs. Round 0 is the first round trip; in the round after the last one only the answer is
// judged, and a sequence that is not done then has failed.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "memcache/gateway.h"
#include "memcache/transitions.h"

namespace ndb::memcache {

// One round trip to read; one more to make EMPTY what is absent, stale or expired.
inline constexpr int kReadRounds = 2;
// The first round trip of a writer adds the LOCK or reads what is there; then three races may be lost; the last one is
// blind.
inline constexpr int kRaces = 4;
inline constexpr int kWriteRounds = kRaces + 1;
// Who leaves is acknowledged whatever comes of it, so the blind one is repeated if it is not answered.
inline constexpr int kLeaveRounds = kWriteRounds + 1;

Step read_next(const Seen& seen, const Reading& reading, int round, WallTime now);
Outcome outcome_of(const Seen& seen, const Reading& reading, WallTime now);
// Of kMiss: the least version that the reader may fill in, if it may fill at all.
std::optional<std::uint64_t> lease_min(const Seen& seen, const Reading& reading);

// A writer that joins the LOCK before its commit: a new token for every round, because a command that timed out may
// still be executed. Once done, `me` is in the LOCK, or the LOCK is contended.
struct Joining {
  Holder me{};
  bool blind = false;
  Step next(const Seen& seen, int round, seconds hold, WallTime now, absl::FunctionRef<std::uint64_t()> new_token);
};

// A writer that leaves it afterwards; `start` is when it began to. A success without a version can't be told from older
// states: it is as good as unknown.
Step leave_next(const Seen& seen, const Leaving& leaving, Commit outcome, int round, WallTime start, WallTime now);

Step invalidate_next(const Seen& seen, std::uint64_t token, int round, WallTime now);

}  // namespace ndb::memcache
