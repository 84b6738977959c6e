// The writer's side: join the LOCK before the commit, leave it after.

#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "memcache/memcache_gateway.h"

namespace ndb::memcache {
namespace {

// The first round trip adds the LOCK or reads what is there; then three races may be lost; the last one is blind.
constexpr int kRaces = 4;
constexpr int kRounds = kRaces + 1;

// memcached counts in whole seconds, and lock_step() rounds up.
static_assert(Gateway::kLongestHold + seconds(3) <= kLongestLock);

absl::Status not_locked(const Place& place, const Address& server) {
  return absl::UnavailableError(cat(place.key.to_string(), " could not be locked in memcache at ", server.to_string(),
                                    ": not written; retry, or see to the server"));
}

// One attempt of a writer to join: a new token for every round, because a command that timed out may still be executed.
struct Joining {
  Holder me;
  Monotonic sent{};
  bool blind = false;

  Step next(const Seen& seen, int round, seconds hold, const Clock& clock) {
    const WallTime now = clock.now();
    if (round > 0 && (blind ? contend_step(seen, me, 0, now) : lock_step(seen, me, now)).what == Step::kDone) return {};
    sent = clock.monotonic();
    me = {.token = new_token(), .deadline = deadline_after(now, hold)};
    blind = round >= kRaces && seen.what != Seen::kFailed;
    return blind ? contend_step({}, me, seen.record.version, now) : lock_step(seen, me, now);
  }
};

}  // namespace

std::vector<absl::StatusOr<LockPtr>> MemcacheGateway::lock(std::span<const Key> keys, std::chrono::seconds hold) {
  if (hold <= seconds(0) || hold > kLongestHold) {
    return std::vector<absl::StatusOr<LockPtr>>(
        keys.size(), bad_argument(cat("a lock is held for 1 to ", kLongestHold.count(), " s, not ", hold.count(),
                                      "; use another deadline")));
  }
  std::vector<Entry> locked = entries(keys);
  std::vector<Joining> joining(keys.size());
  converge(locked, kRounds, [&](Entry& entry, int round) {
    return joining[entry.index].next(entry.seen, round, hold, cluster_->clock());
  });

  std::vector<absl::StatusOr<LockPtr>> locks;
  locks.reserve(keys.size());
  for (Entry& entry : locked) {
    if (!entry.done) {
      locks.emplace_back(not_locked(entry.place, cluster_->address(entry.place.server)));
      continue;
    }
    ++cluster_->counters().locks;
    const Joining& joined = joining[entry.index];
    locks.emplace_back(std::make_shared<const Lock>(Lock{.place = std::move(entry.place),
                                                         .me = joined.me,
                                                         .seen = std::move(entry.seen),
                                                         .protected_until = joined.sent + hold}));
  }
  return locks;
}

bool MemcacheGateway::still_held(const Lock& lock, std::chrono::milliseconds margin) const {
  return cluster_->clock().monotonic() + margin < lock.protected_until;
}

void MemcacheGateway::unlock(std::span<const Unlock> unlocks) {
  const WallTime start = now();
  std::vector<Entry> left;
  std::vector<Leaving> leaving(unlocks.size());
  for (std::size_t i = 0; i < unlocks.size(); ++i) {
    const Unlock& unlock = unlocks[i];
    if (unlock.lock == nullptr && (unlock.outcome != Commit::kApplied || unlock.version == 0)) continue;
    Entry& entry = left.emplace_back();
    entry.index = i;
    if (unlock.lock != nullptr) {
      entry.place = unlock.lock->place;
      entry.seen = unlock.lock->seen;
      leaving[i].token = unlock.lock->me.token;
    } else {
      entry.place = place(unlock.key);
    }
    if (unlock.outcome != Commit::kApplied) continue;
    leaving[i].version = unlock.version;
    leaving[i].timeout = unlock.timeout;
    if (unlock.payload && fits(entry.place, *unlock.payload)) leaving[i].payload = unlock.payload;
  }

  const auto next = [&](Entry& entry, int round) {
    const Leaving& how = leaving[entry.index];
    // A success without a version can't be told from older states: it is as good as unknown.
    const bool known = unlocks[entry.index].outcome == Commit::kFailed || how.version != 0;
    const Holder stays{.token = known ? 0 : how.token, .deadline = deadline_after(start, kUnknownHold)};
    Step step = known ? release_step(entry.seen, how, now()) : lock_step(entry.seen, stays, now());
    const bool protects = !known || how.version != 0;
    if (step.what == Step::kDone || round < kRaces || !protects || entry.seen.what == Seen::kFailed) return step;
    return contend_step(entry.seen, stays, std::max(how.version, entry.seen.record.version), now());
  };
  // A server that was restarted has lost the lock, and answers others before this process's breaker closes: what they
  // filled meanwhile must not outlive the acknowledgement.
  constexpr bool kInsist = true;
  converge(left, kRounds, next, kInsist);
  for (const Entry& entry : left) entry.done ? ++cluster_->counters().unlocks : ++cluster_->counters().errors;
}

}  // namespace ndb::memcache
