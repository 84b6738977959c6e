// The coherence protocol, one step at a time and without input or output: given what was just seen of a key's record,
// what a reader or writer does next. The gateway carries a step out, looks again, and asks for the next one until there
// is none.
//
// The invariants, asserted in debug builds:
//   I1  nobody replaces a LOCK by something that is not a LOCK except its last holder;
//   I2  a VALUE or NEG is only written over an EMPTY (or CACHED, which counts as one) or one's own sole LOCK, by CAS;
//   I3  the version or min of a record never decreases while it lives;
//   I4  a blind `set` writes nothing but a contended LOCK, which only ever protects more;
//   I5  nothing is ever deleted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "memcache/protocol/outcomes.h"
#include "memcache/protocol/record.h"

namespace ndb::memcache {

using std::chrono::seconds;

// Longest time that a LOCK is stored for: within the server's temporary_ttl (400), whose items are never evicted.
inline constexpr seconds kLongestLock{390};
// Another writer's holder is dropped only this long after its deadline: skewed clocks then cost time, not truth.
inline constexpr seconds kSkew{300};
// Everything but LOCK is stored for longer than temporary_ttl, or it would fill the memory that locks live in.
inline constexpr seconds kBeyondTemporary{600};
// The longest life of a negative record.
inline constexpr seconds kLongestNeg{600};
// A LOCK of more holders becomes a contended one, so that records stay small.
inline constexpr std::size_t kMostHolders = 32;

// A CAS unique and the connection it came from. It is worth nothing on another one: uniques start again when a server
// does.
struct Unique {
  std::uint64_t epoch = 0;
  std::uint64_t cas = 0;
  bool is_good_in(std::uint64_t current_epoch) const { return cas != 0 && epoch == current_epoch; }
};

// What is known of a record before a step.
struct Seen {
  enum What : std::uint8_t {
    kUnread,
    kFailed,  // the server did not answer
    kAbsent,
    kRecord,
    kForeign,  // of an unknown format, or corrupt: possibly somebody's lock
  };
  What what = kUnread;
  Record record{};  // of kRecord
  Unique unique{};  // of kRecord and kForeign
  bool is(State state) const { return what == kRecord && record.state == state; }
};

// A record to store. The EMPTY ones get their token when they are sent, if they have none.
struct Step {
  enum Do : std::uint8_t {
    kDone,
    kRead,
    kAdd,
    kCas,  // against the unique seen
    kSet,
  };
  Do what = kDone;
  Record record{};
  seconds ttl{0};  // 0 = for ever
};

// Unix seconds of `t`, rounded down, within what a record can hold.
std::uint32_t unix_seconds(WallTime t);
// The same for `duration` after `now`, rounded up.
std::uint32_t deadline_after(WallTime now, seconds duration);
// When a policy's time-out of `timeout` from `now` ends; 0 = never.
std::uint32_t expiry_after(WallTime now, seconds timeout);
bool is_expired(const Record& record, WallTime now);

// What a reader accepts and may do, and its next step after it has read the record once: an absent record becomes
// EMPTY, and so does one that is stale, expired or too old.
struct Reading {
  std::uint64_t floor = 0;
  WallTime oldest{};
  bool lease = true;
  bool cached_only = false;
};
Step read_step(const Seen& seen, const Reading& reading, WallTime now);

// What a fill stores over an EMPTY of at least `min`; nothing if `version` is too old for it. The time-out counts from
// `now`, which is when the lease was taken.
std::optional<Step> fill_step(std::uint64_t min, std::uint64_t version, WallTime read_time,
                              std::optional<std::string_view> payload, seconds timeout, WallTime now);

// A writer that joins: done when the record is a LOCK that holds `me`, or a younger deadline of its token.
Step lock_step(const Seen& seen, const Holder& me, WallTime now);
// After lost races: a blind set of a contended LOCK, with `me` in it unless its token is 0. Done when the record is a
// contended LOCK or holds `me`, and its min is at least `min`, because a clock that is far ahead may judge the
// contention to be over.
Step contend_step(const Seen& seen, const Holder& me, std::uint64_t min, WallTime now);

// A writer that releases its lock. With a version, its Commit was applied, and done means that no older version can be
// served or filled any more. Without one (0) the Commit is known to have failed.
struct Release {
  std::uint64_t token = 0;
  std::uint64_t version = 0;
  std::optional<std::string_view> payload{};  // write-through
  seconds timeout{0};
};
Step release_step(const Seen& seen, const Release& release, WallTime now);

// Afterwards nothing is served or filled that was read from the Datastore before.
Step invalidate_step(const Seen& seen, std::uint64_t token, WallTime now);

// Entities that live in memcache alone. put: done when the record is CACHED with `token`; a LOCK is in the way and
// leaves it at kDone too, which the caller tells apart. An unreadable record, which may be somebody's lock, becomes a
// contended LOCK first, and so can be replaced when that has ended.
Step put_cached_step(const Seen& seen, std::string_view payload, seconds timeout, std::uint64_t token, WallTime now);
Step delete_cached_step(const Seen& seen);

}  // namespace ndb::memcache
