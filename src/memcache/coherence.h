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

// The right to fill one record, granted by read(). Opaque. Valid only on the connection it came from; fill() checks
// that.
struct Lease;
using LeasePtr = std::shared_ptr<const Lease>;

// What lock() needs to replace a record that was served without reading it again. Opaque. Useless, but harmless, on
// another connection and after the record has changed.
struct CasHint {
  std::uint64_t version = 0, epoch = 0, cas = 0;
};

struct ReadResult {
  ReadOutcome outcome = ReadOutcome::kBypass;
  std::uint64_t version = 0;  // of kHit and kAbsent, like the next two members
  WallTime read_time{};
  CasHint cas_hint{};
  std::string payload{};   // of kHit: entity bytes, decompressed
  bool unchanged = false;  // kHit with the version that the request knows, without the payload
  LeasePtr lease{};        // of kMiss only, and only if asked for
};
struct ReadRequest {
  Key key{};
  std::uint64_t floor = 0;   // a record with a lower version is stale: it is replaced by EMPTY and reported as kMiss
  WallTime oldest{};         // a record read from the Datastore before this counts as expired
  bool lease = true;         // ask for the right to fill
  bool cached_only = false;  // use_datastore = false: CACHED records are hits, all others are misses without a lease
  std::uint64_t known = 0;   // version of the caller's payload: a hit with that version is `unchanged` and has none
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
  CasHint cas_hint{};  // from an earlier hit: saves a round trip
};
struct Unlock {
  LockPtr lock{};  // null: not locked (new id, or best effort); only with kApplied
  Key key{};
  CommitOutcome outcome = CommitOutcome::kUnknown;
  std::uint64_t version = 0;                  // of the Commit, with kApplied; 0 counts as kUnknown
  std::optional<std::string_view> payload{};  // write-through; none: the record becomes EMPTY(version)
  std::chrono::seconds timeout{0};
};

// Thread-safe. Functions block, at most for a few of the configured time-outs, and never throw.
class Coherence {
 public:
  virtual ~Coherence() = default;

  // Reads entities, tags and raw items together. Results are in the order of the requests; tags and raw items are
  // set in place. One round trip if all are hits; a second one grants fill leases for absent records and makes tags.
  virtual std::vector<ReadResult> read(std::span<const ReadRequest> requests, std::span<TagRead> tags,
                                       std::span<RawRead> raw) = 0;
  std::vector<ReadResult> read(std::span<const ReadRequest> requests) { return read(requests, {}, {}); }
  virtual void fill(std::span<const Fill> fills) = 0;  // sends the stores and does not wait for answers

  // Locks each key just before its Commit. A key whose lock could not be stored must not be written: UNAVAILABLE, or
  // RESOURCE_EXHAUSTED if the server has no memory for it. FAILED_PRECONDITION if programs disagree on the list of
  // servers and the check is enforced. A lock protects for at least `hold` from now: 1 to kLongestHold seconds, or
  // INVALID_ARGUMENT.
  static constexpr std::chrono::seconds kLongestHold{387};
  virtual std::vector<absl::StatusOr<LockPtr>> lock(std::span<const LockRequest> requests,
                                                    std::chrono::seconds hold) = 0;
  // Whether the lock still protects for `margin` from now, by the clock that also counts while the machine is
  // suspended.
  virtual bool still_held(const Lock& lock, std::chrono::milliseconds margin) const = 0;
  // Releases that memcache does not accept now are retried in the background, for as long as locks can last.
  virtual void unlock(std::span<const Unlock> unlocks) = 0;

  // Makes memcache stop serving what it holds of the keys: VALUE, NEG, EMPTY and CACHED become EMPTY, LOCK becomes
  // contended. UNAVAILABLE, naming the key, if a server did not confirm it.
  virtual absl::Status invalidate(std::span<const Key> keys) = 0;

  // The same for records that were served and then proved to be unreadable or another entity's. Counts them as corrupt.
  // If it fails, they will be served and discarded again.
  virtual void discard(std::span<const Key> keys) = 0;

  // Entities that are stored only in memcache (use_datastore = false): records in state CACHED. UNAVAILABLE unless
  // memcached confirmed the operation; put_cached() of an entity that exceeds the item size is INVALID_ARGUMENT.
  virtual absl::Status put_cached(const Key& key, std::string_view payload, std::chrono::seconds timeout) = 0;
  virtual absl::Status delete_cached(const Key& key) = 0;
};

}  // namespace ndb::memcache
