// The operations of the gateway as sequences of steps: for each round, the step to send after what was last seen, and
// how the end is judged. Like the transitions they do no input or output, so that the model in docs/model/ explores the
// code that the gateway runs. Round 0 is the first round trip. In the round after the last one, only the answer is
// judged; a sequence that is not done then has failed.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "memcache/protocol/outcomes.h"
#include "memcache/protocol/transitions.h"

namespace ndb::memcache {

// One round trip reads; one more turns absent, stale and expired records into EMPTY.
inline constexpr int kReadRounds = 2;
// The first round trip of a writer adds the LOCK or reads the record; then it may lose three races; the last store is
// blind.
inline constexpr int kRaces = 4;
inline constexpr int kWriteRounds = kRaces + 1;
// A write is acknowledged whatever becomes of its release, so an unanswered blind store is repeated.
inline constexpr int kReleaseRounds = kWriteRounds + 1;

Step read_next(const Seen& seen, const Reading& reading, int round, WallTime now);
ReadOutcome outcome_of(const Seen& seen, const Reading& reading, WallTime now);
// Of kMiss: the lowest version that the reader may fill in, if it may fill at all.
std::optional<std::uint64_t> lease_min(const Seen& seen, const Reading& reading);

// A writer that joins the LOCK before its Commit. It uses a new token in every round, because a command that timed out
// may still be executed. When it is done, `me` is in the LOCK, or the LOCK is contended.
struct LockAttempt {
  Holder me{};
  bool blind = false;
  Step next(const Seen& seen, int round, seconds hold, WallTime now, absl::FunctionRef<std::uint64_t()> new_token);
};

// A writer's release afterwards; `start` is when it began. A success without a version cannot be told from older
// states, so it counts as unknown.
Step release_next(const Seen& seen, const Release& release, CommitOutcome outcome, int round, WallTime start,
                  WallTime now);

Step invalidate_next(const Seen& seen, std::uint64_t token, int round, WallTime now);

}  // namespace ndb::memcache
