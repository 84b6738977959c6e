#include "memcache/protocol/sequences.h"

#include <algorithm>

namespace ndb::memcache {
namespace {

bool is_served(const Record& record, const Reading& reading, WallTime now) {
  if (is_expired(record, now) || record.read_time < reading.oldest) return false;
  if (reading.cached_only) return record.state == State::kCached;
  return (record.state == State::kValue || record.state == State::kNeg) && record.version >= reading.floor;
}

// The server answers, but all races before the last round were lost.
bool is_last_resort(const Seen& seen, int round) { return round >= kRaces && seen.what != Seen::kFailed; }

}  // namespace

Step read_next(const Seen& seen, const Reading& reading, int round, WallTime now) {
  if (round == 0) return {.what = Step::kRead};
  return round < kReadRounds ? read_step(seen, reading, now) : Step{};
}

ReadOutcome outcome_of(const Seen& seen, const Reading& reading, WallTime now) {
  switch (seen.what) {
    case Seen::kUnread:
    case Seen::kFailed:
      return ReadOutcome::kBypass;
    case Seen::kForeign:
      return reading.cached_only ? ReadOutcome::kMiss : ReadOutcome::kBypass;
    case Seen::kAbsent:
      return ReadOutcome::kMiss;
    case Seen::kRecord:
      break;
  }
  if (is_served(seen.record, reading, now)) {
    return seen.record.state == State::kNeg ? ReadOutcome::kAbsent : ReadOutcome::kHit;
  }
  return seen.record.state == State::kLock && !reading.cached_only ? ReadOutcome::kBypass : ReadOutcome::kMiss;
}

std::optional<std::uint64_t> lease_min(const Seen& seen, const Reading& reading) {
  const bool open = seen.is(State::kEmpty) || seen.is(State::kCached);
  if (!open || !reading.lease || reading.cached_only || seen.unique.cas == 0) return std::nullopt;
  return std::max(seen.record.version, reading.floor);
}

Step LockAttempt::next(const Seen& seen, int round, seconds hold, WallTime now,
                       absl::FunctionRef<std::uint64_t()> new_token) {
  if (round > 0 && (blind ? contend_step(seen, me, 0, now) : lock_step(seen, me, now)).what == Step::kDone) return {};
  me = {.token = new_token(), .deadline = deadline_after(now, hold)};
  blind = is_last_resort(seen, round);
  return blind ? contend_step({}, me, seen.record.version, now) : lock_step(seen, me, now);
}

Step release_next(const Seen& seen, const Release& release, CommitOutcome outcome, int round, WallTime start,
                  WallTime now) {
  const bool known = outcome == CommitOutcome::kFailed || release.version != 0;
  const Holder stays{.token = known ? 0 : release.token, .deadline = deadline_after(start, kUnknownHold)};
  Step step = known ? release_step(seen, release, now) : lock_step(seen, stays, now);
  const bool protects = !known || release.version != 0;
  // The last round stores blindly even if the round before it failed: a read would leave no round to act on it.
  if (step.what == Step::kDone || !protects || round < kRaces) return step;
  return contend_step(seen, stays, std::max(release.version, seen.record.version), now);
}

Step invalidate_next(const Seen& seen, std::uint64_t token, int round, WallTime now) {
  Step step = invalidate_step(seen, token, now);
  if (step.what == Step::kDone || !is_last_resort(seen, round)) return step;
  return contend_step(seen, {}, seen.record.version, now);
}

}  // namespace ndb::memcache
