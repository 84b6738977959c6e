// The writer's part of the protocol: join the LOCK before the Commit, release it after.

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"
#include "memcache/protocol/sequences.h"

namespace ndb::memcache {
namespace {

// memcached counts in whole seconds, and lock_step() rounds up.
static_assert(Coherence::kLongestHold + seconds(3) <= kLongestLock);

// Stores get no reply, so a server that answers but does not have what it was just sent had no memory for it.
absl::Status not_locked(const Entry& entry, const Address& server) {
  const std::string what =
      cat(entry.place.key.to_string(), " could not be locked in memcache at ", server.to_string(), ": not written; ");
  if (entry.seen.what == Seen::kAbsent) {
    return absl::ResourceExhaustedError(
        cat(what,
            "the server has no memory for the lock; write fewer entities at once, or give "
            "the server more"));
  }
  return absl::UnavailableError(cat(what, "try again, or check the server"));
}

// A record that was served was a VALUE or a NEG; which of the two makes no difference to a writer.
Seen seen_before(const CasHint& cas_hint) {
  if (cas_hint.cas == 0) return {};
  return {.what = Seen::kRecord,
          .record = {.state = State::kValue, .version = cas_hint.version},
          .unique = {.epoch = cas_hint.epoch, .cas = cas_hint.cas}};
}

struct Attempt {
  LockAttempt next;
  Monotonic sent{};  // when the last round was sent
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
    locked[i] = {.index = i, .place = records_.place(requests[i].key), .seen = seen_before(requests[i].cas_hint)};
  }
  std::vector<Attempt> attempts(requests.size());
  records_.converge(locked, kWriteRounds, [&](Entry& entry, int round) {
    Attempt& attempt = attempts[entry.index];
    const Monotonic sent = cluster_->clock().monotonic();
    Step step = attempt.next.next(entry.seen, round, hold, now(), new_token);
    if (step.what != Step::kDone) attempt.sent = sent;
    return step;
  });

  std::vector<absl::StatusOr<LockPtr>> locks;
  locks.reserve(requests.size());
  for (Entry& entry : locked) {
    if (!entry.done) {
      locks.emplace_back(not_locked(entry, cluster_->address(entry.place.server)));
      continue;
    }
    ++cluster_->counters().locks;
    const Attempt& joined = attempts[entry.index];
    locks.emplace_back(std::make_shared<const Lock>(Lock{.place = std::move(entry.place),
                                                         .me = joined.next.me,
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
  std::vector<PendingRelease> releases;
  for (const Unlock& unlock : unlocks) {
    if (unlock.lock == nullptr && (unlock.outcome != CommitOutcome::kApplied || unlock.version == 0)) continue;
    PendingRelease& one = releases.emplace_back();
    one.outcome = unlock.outcome;
    one.start = start;
    one.useless_after = useless_after;
    if (unlock.lock != nullptr) {
      // A restarted server has lost the lock, and serves other processes before this process's breaker closes. What
      // they have filled meanwhile must not outlive the acknowledgement.
      one.insist = true;
      one.place = unlock.lock->place;
      one.seen = unlock.lock->seen;
      one.release.token = unlock.lock->me.token;
    } else {
      one.place = records_.place(unlock.key);
    }
    if (unlock.outcome != CommitOutcome::kApplied) continue;
    one.release.version = unlock.version;
    one.release.timeout = unlock.timeout;
    if (unlock.payload && records_.fits(one.place, *unlock.payload)) one.release.payload = unlock.payload;
  }
  release(releases);
  // A later attempt no longer has a payload to store, and has to read the record first.
  for (PendingRelease& one : releases) {
    one.release.payload.reset();
    one.insist = false;
  }
  repairs_.add(std::move(releases));
}

void MemcacheGateway::release(std::vector<PendingRelease>& releases) {
  std::vector<Entry> entries(releases.size());
  for (std::size_t i = 0; i < releases.size(); ++i) {
    PendingRelease& one = releases[i];
    entries[i] = {.index = i, .place = one.place, .seen = std::move(one.seen), .insist = one.insist};
    one.seen = {};
  }
  records_.converge(entries, kReleaseRounds, [&](Entry& entry, int round) {
    const PendingRelease& one = releases[entry.index];
    return release_next(entry.seen, one.release, one.outcome, round, one.start, now());
  });
  for (const Entry& entry : entries) {
    releases[entry.index].done = entry.done;
    entry.done ? ++cluster_->counters().unlocks : ++cluster_->counters().errors;
  }
  std::erase_if(releases, [](const PendingRelease& one) { return one.done; });
}

absl::Status MemcacheGateway::invalidate(std::span<const Key> keys) {
  if (fenced()) return ring_error();
  std::vector<Entry> invalidated = records_.entries(keys);
  std::vector<std::uint64_t> tokens(keys.size());
  std::ranges::generate(tokens, new_token);
  records_.converge(invalidated, kWriteRounds, [&](Entry& entry, int round) {
    return invalidate_next(entry.seen, tokens[entry.index], round, now());
  });
  for (const Entry& entry : invalidated) {
    if (!entry.done) return not_done(*cluster_, "invalidate", entry.place);
  }
  return absl::OkStatus();
}

void MemcacheGateway::discard(std::span<const Key> keys) {
  cluster_->counters().corrupt += keys.size();
  invalidate(keys).IgnoreError();
}

}  // namespace ndb::memcache
