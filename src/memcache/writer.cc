// The writer's side: join the LOCK before the commit, leave it after.

#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "memcache/memcache_gateway.h"
#include "memcache/sequences.h"

namespace ndb::memcache {
namespace {

// memcached counts in whole seconds, and lock_step() rounds up.
static_assert(Gateway::kLongestHold + seconds(3) <= kLongestLock);

absl::Status not_locked(const Place& place, const Address& server) {
  return absl::UnavailableError(cat(place.key.to_string(), " could not be locked in memcache at ", server.to_string(),
                                    ": not written; retry, or see to the server"));
}

struct Attempt {
  Joining joining;
  Monotonic sent{};  // the last round of it
};

}  // namespace

std::vector<absl::StatusOr<LockPtr>> MemcacheGateway::lock(std::span<const Key> keys, std::chrono::seconds hold) {
  if (hold <= seconds(0) || hold > kLongestHold) {
    return std::vector<absl::StatusOr<LockPtr>>(
        keys.size(), bad_argument(cat("a lock is held for 1 to ", kLongestHold.count(), " s, not ", hold.count(),
                                      "; use another deadline")));
  }
  std::vector<Entry> locked = entries(keys);
  std::vector<Attempt> attempts(keys.size());
  converge(locked, kWriteRounds, [&](Entry& entry, int round) {
    Attempt& attempt = attempts[entry.index];
    const Monotonic sent = cluster_->clock().monotonic();
    Step step = attempt.joining.next(entry.seen, round, hold, now(), new_token);
    if (step.what != Step::kDone) attempt.sent = sent;
    return step;
  });

  std::vector<absl::StatusOr<LockPtr>> locks;
  locks.reserve(keys.size());
  for (Entry& entry : locked) {
    if (!entry.done) {
      locks.emplace_back(not_locked(entry.place, cluster_->address(entry.place.server)));
      continue;
    }
    ++cluster_->counters().locks;
    const Attempt& joined = attempts[entry.index];
    locks.emplace_back(std::make_shared<const Lock>(Lock{.place = std::move(entry.place),
                                                         .me = joined.joining.me,
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

  converge(left, kWriteRounds, [&](Entry& entry, int round) {
    return leave_next(entry.seen, leaving[entry.index], unlocks[entry.index].outcome, round, start, now());
  });
  for (const Entry& entry : left) entry.done ? ++cluster_->counters().unlocks : ++cluster_->counters().errors;
}

}  // namespace ndb::memcache
