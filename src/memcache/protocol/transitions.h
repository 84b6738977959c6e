// The coherence protocol, one step at a time and without input or output: functions from what was just seen of a key's
// record to the next step of a reader or writer. The gateway executes a step, reads the record again, and asks for the
// next one until there is none.
//
// The invariants, asserted in debug builds:
//   I1  only its last holder replaces a LOCK by a record in another state;
//   I2  a VALUE or NEG replaces only an EMPTY (or CACHED, which counts as one), or a LOCK by its last holder, with CAS;
//   I3  the version or min of a record never decreases while the record exists;
//   I4  a blind `set` stores only a contended LOCK, which never protects less than what it replaces;
//   I5  no record is ever deleted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "memcache/protocol/outcomes.h"
#include "memcache/protocol/record.h"

namespace ndb::memcache {

using std::chrono::seconds;

// The longest time for which a LOCK is stored: within the server's temporary_ttl (400), below which items are never
// evicted.
inline constexpr seconds kLongestLock{390};
// A writer drops another one's holder only this long after its deadline, so that a clock that is wrong delays writers
// but does not break a lock.
inline constexpr seconds kSkew{300};
// Everything but LOCK is stored for longer than temporary_ttl; otherwise it would fill the memory that is kept for
// locks.
inline constexpr seconds kBeyondTemporary{600};
// The longest time for which a negative record is served.
inline constexpr seconds kLongestNeg{600};
// A LOCK with more holders becomes a contended one, so that records stay small.
inline constexpr std::size_t kMostHolders = 32;

// A CAS unique and the connection it came from. It is useless on any other connection, because a restarted server hands
// out the same uniques again.
struct Unique {
  std::uint64_t epoch = 0;
  std::uint64_t cas = 0;
  bool is_good_in(std::uint64_t current_epoch) const { return cas != 0 && epoch == current_epoch; }
};

// The last state that was seen of a record.
struct Seen {
  enum What : std::uint8_t {
    kUnread,
    kFailed,  // the server did not answer
    kAbsent,
    kRecord,
    kForeign,  // of an unknown format, or damaged: possibly somebody's lock
  };
  What what = kUnread;
  Record record{};  // of kRecord
  Unique unique{};  // of kRecord and kForeign
  bool is(State state) const { return what == kRecord && record.state == state; }
};

// A record to store. A step to EMPTY without a token gets one when it is sent.
struct Step {
  enum Do : std::uint8_t {
    kDone,
    kRead,
    kAdd,
    kCas,  // compares the unique that was seen
    kSet,
  };
  Do what = kDone;
  Record record{};
  seconds ttl{0};  // 0 = no expiry
};

// Unix seconds of `t`, rounded down and clamped to what a record can hold.
std::uint32_t unix_seconds(WallTime t);
// The same for `duration` after `now`, rounded up.
std::uint32_t deadline_after(WallTime now, seconds duration);
// When a policy's time-out of `timeout` from `now` ends; 0 = never.
std::uint32_t expiry_after(WallTime now, seconds timeout);
bool is_expired(const Record& record, WallTime now);

// The decision of a reader: what it accepts and may do, and its next step after it has read the record once. A record
// that is absent, stale, expired or too old becomes EMPTY.
struct Reading {
  std::uint64_t floor = 0;
  WallTime oldest{};
  bool lease = true;
  bool cached_only = false;
};
Step read_step(const Seen& seen, const Reading& reading, WallTime now);

// The record that a fill stores over an EMPTY of at least `min`; nothing if `version` is older. The time-out counts
// from `now`, the time at which the lease was granted.
std::optional<Step> fill_step(std::uint64_t min, std::uint64_t version, WallTime read_time,
                              std::optional<std::string_view> payload, seconds timeout, WallTime now);

// A writer that joins: done when the record is a LOCK that holds `me`, or the same token with a later deadline.
Step lock_step(const Seen& seen, const Holder& me, WallTime now);
// After lost races: a blind set of a contended LOCK, with `me` in it unless its token is 0. Done when the record is a
// contended LOCK or holds `me`, and its min is at least `min`. (Holding `me` suffices, because a writer whose clock is
// far ahead may end the contention.)
Step contend_step(const Seen& seen, const Holder& me, std::uint64_t min, WallTime now);

// A writer that releases its lock. With a version its Commit was applied, and done means that no older version can be
// served or filled any more. Without one (0) the Commit is known to have failed.
struct Release {
  std::uint64_t token = 0;
  std::uint64_t version = 0;
  std::optional<std::string_view> payload{};  // write-through
  seconds timeout{0};
};
Step release_step(const Seen& seen, const Release& release, WallTime now);

// Done when nothing can be served or filled any more that was read from the Datastore before.
Step invalidate_step(const Seen& seen, std::uint64_t token, WallTime now);

// Entities that are stored only in memcache. put: done when the record is CACHED with `token`; also if a LOCK prevents
// it, which the caller distinguishes. An unreadable record, which may be somebody's lock, first becomes a contended
// LOCK, which can be replaced when the contention has ended.
Step put_cached_step(const Seen& seen, std::string_view payload, seconds timeout, std::uint64_t token, WallTime now);
Step delete_cached_step(const Seen& seen);

}  // namespace ndb::memcache
