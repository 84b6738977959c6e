#include "memcache/protocol/transitions.h"

#include <algorithm>
#include <cassert>
#include <limits>

// Build options for tests, never set in a build that is used: each takes a part of the protocol away, and
// tests/consistency checks that its checker then finds reads that are stale.
//   NDB_WEAKEN_BLIND_SET          a writer sets its LOCK without looking at whose LOCK it replaces
//   NDB_WEAKEN_RELEASE_BY_DELETE  a release deletes the record, whoever else holds it
//   NDB_WEAKEN_NO_MIN             a release of a LOCK that others hold does not put its version into it

namespace ndb::memcache {
namespace {

// Whether the deadline passed so long ago that no clock can still be before it.
bool is_over(std::uint32_t deadline, WallTime now) { return deadline + kSkew.count() < unix_seconds(now); }

const Holder* find(const Record& lock, std::uint64_t token) {
  const auto it = std::ranges::find(lock.holders, token, &Holder::token);
  return it == lock.holders.end() ? nullptr : &*it;
}

// Whether `me` is in the LOCK for long enough: after a Commit of unknown outcome longer than at first.
bool is_held(const Record& lock, const Holder& me) {
  const Holder* held = find(lock, me.token);
  return held != nullptr && held->deadline >= me.deadline;
}

bool is_contended(const Record& lock, WallTime now) {
  return lock.contended_until != 0 && !is_over(lock.contended_until, now);
}

// The only function that makes replacements; it checks the invariants. `last_holder`: this writer is the only holder of
// the LOCK that was seen.
Step cas(const Seen& seen, Record to, seconds ttl, [[maybe_unused]] bool last_holder = false) {
  [[maybe_unused]] const bool serves = to.state == State::kValue || to.state == State::kNeg;
  [[maybe_unused]] const bool open = seen.is(State::kEmpty) || seen.is(State::kCached);
  assert(!seen.is(State::kLock) || to.state == State::kLock || last_holder);  // I1
  assert(!serves || open || last_holder);                                     // I2
  assert(seen.what != Seen::kRecord || to.version >= seen.record.version);    // I3
  return {Step::kCas, std::move(to), ttl};
}

Step add(Record to, seconds ttl) { return {Step::kAdd, std::move(to), ttl}; }

Step set(Record to) {
  assert(to.state == State::kLock && to.contended_until != 0);  // I4
  return {Step::kSet, std::move(to), kLongestLock};
}

Record empty(std::uint64_t min, std::uint64_t token = 0) {
  return {.state = State::kEmpty, .version = min, .token = token};
}

Record lock_of(std::vector<Holder> holders, std::uint64_t min, std::uint32_t contended_until = 0) {
  return {.state = State::kLock, .version = min, .holders = std::move(holders), .contended_until = contended_until};
}

// The LOCK without holders and contention that ended long ago.
Record pruned(Record lock, WallTime now) {
  std::erase_if(lock.holders, [&](const Holder& holder) { return is_over(holder.deadline, now); });
  if (!is_contended(lock, now)) lock.contended_until = 0;
  return lock;
}

// Other writers' clocks are not trusted, so a LOCK that protects other writers too is stored for as long as any of them
// may need.
seconds lock_ttl(const Record& lock, const Holder& me, WallTime now) {
  const bool alone = lock.holders.size() == 1 && lock.contended_until == 0;
  const seconds left{static_cast<std::int64_t>(me.deadline) - unix_seconds(now)};
  return alone ? std::min(left + seconds(2), kLongestLock) : kLongestLock;
}

// The record that replaces an unreadable one, which may be somebody's lock.
Record contended(std::vector<Holder> holders, std::uint64_t min, WallTime now) {
  return lock_of(std::move(holders), min, deadline_after(now, kLongestLock));
}

seconds ttl_until(std::uint32_t expiry, WallTime now) {
  if (expiry == 0) return seconds(0);
  return seconds(static_cast<std::int64_t>(expiry) - unix_seconds(now)) + kBeyondTemporary;
}

Record joined(const Record& lock, const Holder& me, WallTime now) {
  Record joined = pruned(lock, now);
  std::erase_if(joined.holders, [&](const Holder& holder) { return holder.token == me.token; });
  if (joined.holders.size() >= kMostHolders) return contended({me}, joined.version, now);
  joined.holders.push_back(me);
  return joined;
}

// The record after its last holder's release: EMPTY with the new version, or the value where it may be served at once.
Record released(const Record& lock, const Release& release, WallTime now) {
  if (release.payload && release.version >= lock.version) {
    return {.state = State::kValue,
            .version = release.version,
            .read_time = now,
            .expiry = expiry_after(now, release.timeout),
            .payload = std::string(*release.payload)};
  }
  return empty(std::max(lock.version, release.version));
}

Step release_lock(const Seen& seen, const Release& release, WallTime now) {
  const bool mine = find(seen.record, release.token) != nullptr;
  if (!mine && seen.record.version >= release.version) return {};
  Record left = pruned(seen.record, now);
  std::erase_if(left.holders, [&](const Holder& holder) { return holder.token == release.token; });
#ifndef NDB_WEAKEN_NO_MIN
  left.version = std::max(left.version, release.version);
#endif
  if (!mine || !left.holders.empty() || left.contended_until != 0) return cas(seen, std::move(left), kLongestLock);
  Record to = released(seen.record, release, now);
  const seconds ttl = to.state == State::kValue ? ttl_until(to.expiry, now) : kBeyondTemporary;
  return cas(seen, std::move(to), ttl, true);
}

}  // namespace

std::uint32_t unix_seconds(WallTime t) {
  const std::int64_t count = std::chrono::floor<seconds>(t).time_since_epoch().count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(count, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::uint32_t deadline_after(WallTime now, seconds duration) {
  return unix_seconds(now + duration + std::chrono::microseconds(999'999));
}

std::uint32_t expiry_after(WallTime now, seconds timeout) {
  // In whole seconds, because the longest time-outs overflow in microseconds.
  constexpr seconds kLatest{std::numeric_limits<std::uint32_t>::max()};
  const seconds left = kLatest - std::chrono::ceil<seconds>(now.time_since_epoch());
  if (timeout <= seconds(0) || timeout >= left) return 0;
  return deadline_after(now, timeout);
}

bool is_expired(const Record& record, WallTime now) { return record.expiry != 0 && record.expiry <= unix_seconds(now); }

Step read_step(const Seen& seen, const Reading& reading, WallTime now) {
  if (reading.cached_only) return {};
  if (seen.what == Seen::kAbsent) {
    return reading.lease ? add(empty(reading.floor), kBeyondTemporary) : Step{};
  }
  if (!seen.is(State::kValue) && !seen.is(State::kNeg)) return {};
  const bool stale = seen.record.version < reading.floor;
  const bool over = is_expired(seen.record, now) || seen.record.read_time < reading.oldest;
  if (!stale && !(over && reading.lease)) return {};
  return cas(seen, empty(std::max(reading.floor, seen.record.version)), kBeyondTemporary);
}

std::optional<Step> fill_step(std::uint64_t min, std::uint64_t version, WallTime read_time,
                              std::optional<std::string_view> payload, seconds timeout, WallTime now) {
  if (version == 0 || version < min) return std::nullopt;  // I3
  Record record{.version = version, .read_time = read_time};
  record.state = payload ? State::kValue : State::kNeg;
  if (payload) {
    record.payload.assign(*payload);
  } else if (timeout <= seconds(0) || timeout > kLongestNeg) {
    timeout = kLongestNeg;
  }
  record.expiry = expiry_after(now, timeout);
  const seconds ttl = ttl_until(record.expiry, now);
  return Step{Step::kCas, std::move(record), ttl};
}

Step lock_step(const Seen& seen, const Holder& me, WallTime now) {
  switch (seen.what) {
    case Seen::kUnread:
    case Seen::kFailed:
    case Seen::kAbsent:  // assumed at first: if it exists, it is read in the same round trip
      return add(lock_of({me}, 0), lock_ttl(lock_of({me}, 0), me, now));
    case Seen::kForeign:
      return cas(seen, contended({me}, 0, now), kLongestLock);
    case Seen::kRecord:
      break;
  }
  if (seen.record.state != State::kLock) {
    Record lock = lock_of({me}, seen.record.version);
    const seconds ttl = lock_ttl(lock, me, now);
    return cas(seen, std::move(lock), ttl);
  }
  if (is_held(seen.record, me)) return {};
#ifdef NDB_WEAKEN_BLIND_SET
  return {Step::kSet, lock_of({me}, 0), kLongestLock};
#endif
  Record lock = joined(seen.record, me, now);
  const seconds ttl = lock_ttl(lock, me, now);
  return cas(seen, std::move(lock), ttl);
}

Step contend_step(const Seen& seen, const Holder& me, std::uint64_t min, WallTime now) {
  const bool stays = seen.is(State::kLock) && (is_contended(seen.record, now) || is_held(seen.record, me));
  if (stays && seen.record.version >= min) return {};
  std::vector<Holder> holders;
  if (me.token != 0) holders.push_back(me);
  return set(contended(std::move(holders), min, now));
}

Step release_step(const Seen& seen, const Release& release, WallTime now) {
  switch (seen.what) {
    case Seen::kUnread:
    case Seen::kFailed:
      return {.what = Step::kRead};
    case Seen::kAbsent:
      return {};
    case Seen::kForeign:
      return release.version == 0 ? Step{} : cas(seen, contended({}, release.version, now), kLongestLock);
    case Seen::kRecord:
      break;
  }
#ifdef NDB_WEAKEN_RELEASE_BY_DELETE
  return seen.is(State::kLock) ? Step{Step::kSet, empty(0), kBeyondTemporary} : Step{};
#endif
  if (seen.record.state == State::kLock) return release_lock(seen, release, now);
  if (seen.record.version >= release.version) return {};
  return cas(seen, empty(release.version), kBeyondTemporary);
}

Step invalidate_step(const Seen& seen, std::uint64_t token, WallTime now) {
  switch (seen.what) {
    case Seen::kUnread:
    case Seen::kFailed:
      return {.what = Step::kRead};
    case Seen::kAbsent:
      return {};
    case Seen::kForeign:
      return cas(seen, contended({}, 0, now), kLongestLock);
    case Seen::kRecord:
      break;
  }
  if (seen.is(State::kLock)) {
    if (is_contended(seen.record, now)) return {};
    return cas(seen, contended(pruned(seen.record, now).holders, seen.record.version, now), kLongestLock);
  }
  if (seen.is(State::kEmpty) && seen.record.token == token) return {};
  return cas(seen, empty(seen.record.version, token), kBeyondTemporary);
}

Step put_cached_step(const Seen& seen, std::string_view payload, seconds timeout, std::uint64_t token, WallTime now) {
  if (seen.what == Seen::kUnread || seen.what == Seen::kFailed) return {.what = Step::kRead};
  if (seen.is(State::kLock)) return {};
  if (seen.what == Seen::kForeign) return cas(seen, contended({}, 0, now), kLongestLock);
  if (seen.is(State::kCached) && seen.record.token == token) return {};
  Record record{.state = State::kCached,
                .read_time = now,
                .expiry = expiry_after(now, timeout),
                .token = token,
                .payload = std::string(payload)};
  const seconds ttl = ttl_until(record.expiry, now);
  if (seen.what == Seen::kAbsent) return add(std::move(record), ttl);
  record.version = seen.record.version;
  return cas(seen, std::move(record), ttl);
}

Step delete_cached_step(const Seen& seen) {
  if (seen.what == Seen::kUnread || seen.what == Seen::kFailed) return {.what = Step::kRead};
  if (!seen.is(State::kCached)) return {};
  return cas(seen, empty(seen.record.version), kBeyondTemporary);
}

}  // namespace ndb::memcache
