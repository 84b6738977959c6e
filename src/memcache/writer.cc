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

// Served before, so it was a VALUE or a NEG; which of them makes no difference to a writer.
Seen seen_before(const Sighting& sighting) {
  if (sighting.cas == 0) return {};
  return {.what = Seen::kRecord,
          .record = {.state = State::kValue, .version = sighting.version},
          .unique = {.epoch = sighting.epoch, .cas = sighting.cas}};
}

struct Attempt {
  Joining joining;
  Monotonic sent{};  // the last round of it
};

}  // namespace

std::vector<absl::StatusOr<LockPtr>> MemcacheGateway::lock(std::span<const LockRequest> requests,
                                                           std::chrono::seconds hold) {
  if (hold <= seconds(0) || hold > kLongestHold) {
    return std::vector<absl::StatusOr<LockPtr>>(
        requests.size(), bad_argument(cat("a lock is held for 1 to ", kLongestHold.count(), " s, not ", hold.count(),
                                          "; use another deadline")));
  }
  if (fenced()) return std::vector<absl::StatusOr<LockPtr>>(requests.size(), ring_error());
  std::vector<Entry> locked(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    locked[i] = {.index = i, .place = place(requests[i].key), .seen = seen_before(requests[i].sighting)};
  }
  std::vector<Attempt> attempts(requests.size());
  converge(locked, kWriteRounds, [&](Entry& entry, int round) {
    Attempt& attempt = attempts[entry.index];
    const Monotonic sent = cluster_->clock().monotonic();
    Step step = attempt.joining.next(entry.seen, round, hold, now(), new_token);
    if (step.what != Step::kDone) attempt.sent = sent;
    return step;
  });

  std::vector<absl::StatusOr<LockPtr>> locks;
  locks.reserve(requests.size());
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
  const Monotonic useless_after = cluster_->clock().monotonic() + kUnknownHold;
  std::vector<Departure> departures;
  for (const Unlock& unlock : unlocks) {
    if (unlock.lock == nullptr && (unlock.outcome != Commit::kApplied || unlock.version == 0)) continue;
    Departure& one = departures.emplace_back();
    one.outcome = unlock.outcome;
    one.start = start;
    one.useless_after = useless_after;
    if (unlock.lock != nullptr) {
      // A server that was restarted has lost the lock, and answers others before this process's breaker closes: what
      // they filled meanwhile must not outlive the acknowledgement.
      one.insist = true;
      one.place = unlock.lock->place;
      one.seen = unlock.lock->seen;
      one.leaving.token = unlock.lock->me.token;
    } else {
      one.place = place(unlock.key);
    }
    if (unlock.outcome != Commit::kApplied) continue;
    one.leaving.version = unlock.version;
    one.leaving.timeout = unlock.timeout;
    if (unlock.payload && fits(one.place, *unlock.payload)) one.leaving.payload = unlock.payload;
  }
  leave(departures);
  // Whoever repairs later has no payload to leave any more, and knows nothing of the record.
  for (Departure& one : departures) {
    one.leaving.payload.reset();
    one.insist = false;
  }
  repairs_.add(std::move(departures));
}

void MemcacheGateway::leave(std::vector<Departure>& departures) {
  std::vector<Entry> entries(departures.size());
  for (std::size_t i = 0; i < departures.size(); ++i) {
    Departure& one = departures[i];
    entries[i] = {.index = i, .place = one.place, .seen = std::move(one.seen), .insist = one.insist};
    one.seen = {};
  }
  converge(entries, kLeaveRounds, [&](Entry& entry, int round) {
    const Departure& one = departures[entry.index];
    return leave_next(entry.seen, one.leaving, one.outcome, round, one.start, now());
  });
  for (const Entry& entry : entries) {
    departures[entry.index].done = entry.done;
    entry.done ? ++cluster_->counters().unlocks : ++cluster_->counters().errors;
  }
  std::erase_if(departures, [](const Departure& one) { return one.done; });
}

}  // namespace ndb::memcache
