// The part of the gateway that keeps memcache coherent with the Datastore: each function is a step of the protocol
// (docs/record-format.md) for a whole batch of keys. Callers know neither CAS uniques nor the bytes of a record.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "memcache/protocol/outcomes.h"
#include "memcache/raw_items.h"
#include "memcache/tags.h"
#include "ndb/key.h"

namespace ndb::memcache {

// A right to fill one record, got by read(); opaque. Valid only on the connection it came from, which fill() checks.
struct Lease;
using LeasePtr = std::shared_ptr<const Lease>;

// A record as it was served, opaque: lock() can replace it without reading it first. It is worth nothing on another
// connection, which lock() checks, and does no harm when the record has changed.
struct Sighting {
  std::uint64_t version = 0, epoch = 0, cas = 0;
};

struct ReadResult {
  ReadOutcome outcome = ReadOutcome::kBypass;
  std::uint64_t version = 0;  // of kHit and kAbsent, like the two after it
  WallTime read_time{};
  Sighting sighting{};
  std::string payload{};   // of kHit: entity bytes, decompressed
  bool unchanged = false;  // kHit with the version that the request knows, without the payload
  LeasePtr lease{};        // of kMiss only, and only if asked for
};
struct ReadRequest {
  Key key{};
  std::uint64_t floor = 0;   // a record with a lower version is stale: it is replaced by EMPTY and reported as kMiss
  WallTime oldest{};         // a record read from the Datastore before this is as good as expired
  bool lease = true;         // ask for the right to fill
  bool cached_only = false;  // use_datastore = false: CACHED records are hits, all others are misses without a lease
  std::uint64_t known = 0;   // a version whose payload the caller has: a hit with it is `unchanged` and comes without
};

struct Fill {
  LeasePtr lease{};
  std::uint64_t version = 0;
  WallTime read_time{};
  std::optional<std::string_view> payload{};  // none: known not to exist
  std::chrono::seconds timeout{0};            // 0 = unlimited
};

// The right to write one key: this writer's token among the holders of the record. Opaque.
struct Lock;
using LockPtr = std::shared_ptr<const Lock>;
struct LockRequest {
  Key key{};
  Sighting sighting{};  // if the record was served before: saves a round trip
};
struct Unlock {
  LockPtr lock{};  // null with kApplied: the key was not locked, as its id was unknown or its class is best effort
  Key key{};
  CommitOutcome outcome = CommitOutcome::kUnknown;
  std::uint64_t version = 0;                  // of the Commit, with kApplied; 0 is as good as kUnknown
  std::optional<std::string_view> payload{};  // write-through; none: the record becomes EMPTY(version)
  std::chrono::seconds timeout{0};
};

// Thread-safe. Functions block, at most for a few of the configured time-outs, and never throw.
class Coherence {
 public:
  virtual ~Coherence() = default;

  // Everything that is read together: results in the order of the requests, tags and raw items in place. One round trip
  // when all are hits; absent records are leased, and absent tags made, with one more.
  virtual std::vector<ReadResult> read(std::span<const ReadRequest> requests, std::span<TagRead> tags,
                                       std::span<RawRead> raw) = 0;
  std::vector<ReadResult> read(std::span<const ReadRequest> requests) { return read(requests, {}, {}); }
  virtual void fill(std::span<const Fill> fills) = 0;  // does not wait for answers

  // Locks each key just before its Commit. UNAVAILABLE for a key whose lock could not be stored, and
  // RESOURCE_EXHAUSTED where that is for want of memory: it must not be written. FAILED_PRECONDITION if programs
  // disagree on the servers and that is enforced. A lock protects for at least `hold` from now: 1 to kLongestHold
  // seconds, or INVALID_ARGUMENT.
  static constexpr std::chrono::seconds kLongestHold{387};
  virtual std::vector<absl::StatusOr<LockPtr>> lock(std::span<const LockRequest> requests,
                                                    std::chrono::seconds hold) = 0;
  // Whether the lock still protects for `margin` from now on the clock that counts through suspension.
  virtual bool still_held(const Lock& lock, std::chrono::milliseconds margin) const = 0;
  // What memcache does not take now is tried again in the background, for as long as locks can last.
  virtual void unlock(std::span<const Unlock> unlocks) = 0;

  // What memcache holds of the keys is no longer served: VALUE, NEG, EMPTY, CACHED become EMPTY, LOCK becomes
  // contended. UNAVAILABLE, naming the key, if a server did not confirm it.
  virtual absl::Status invalidate(std::span<const Key> keys) = 0;

  // The same for records that were served and turned out to be unreadable, or another entity's: counted as corrupt.
  // Where it fails they are served again, and discarded again.
  virtual void discard(std::span<const Key> keys) = 0;

  // Entities that live in memcache alone (use_datastore = false): record state CACHED. UNAVAILABLE unless memcached is
  // known to have done it; put_cached() of what is larger than an item may be is INVALID_ARGUMENT.
  virtual absl::Status put_cached(const Key& key, std::string_view payload, std::chrono::seconds timeout) = 0;
  virtual absl::Status delete_cached(const Key& key) = 0;
};

}  // namespace ndb::memcache
