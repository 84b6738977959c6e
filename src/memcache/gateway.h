// The gateway to memcache: the only code that knows libmemcached. Its operations are the steps of the coherence
// protocol (docs/record-format.md), each over a whole batch; callers know neither CAS uniques nor record bytes.
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
#include "ndb/key.h"
#include "ndb/options.h"

namespace ndb::memcache {

struct Config {
  std::vector<std::string> servers{};  // host:port, [v6]:port or /unix/socket; the port defaults to 11211
  std::chrono::milliseconds connect_timeout{50};
  std::chrono::milliseconds io_timeout{50};
  std::size_t compress_above = 4096;        // bytes of payload; zstd
  std::size_t max_item_size = 1024 * 1024;  // the server's -I
  RingCheck ring_check = RingCheck::kWarn;
  const Clock* clock = &Clock::system();
};

// A right to fill one record, got by read(); opaque. Valid on the connection it came from only, which fill() checks.
struct Lease;
using LeasePtr = std::shared_ptr<const Lease>;

// A record as it was served, opaque: lock() can replace it without looking at it first. Worth nothing on another
// connection, which lock() checks, and harmless when the record has changed.
struct Sighting {
  std::uint64_t version = 0, epoch = 0, cas = 0;
};

enum class Outcome {
  kHit,     // `payload`, `version`
  kAbsent,  // known not to exist, as of `version`
  kMiss,    // nothing is known; with a lease the caller may fill
  kBypass,  // locked, of an unknown format, or the server did not answer: read the Datastore and do not fill
};
struct ReadResult {
  Outcome outcome = Outcome::kBypass;
  std::uint64_t version = 0;
  WallTime read_time{};
  std::string payload{};   // entity bytes, decompressed
  bool unchanged = false;  // kHit with the version that the request knows, without the payload
  LeasePtr lease{};        // of kMiss only, and only if asked for
  Sighting sighting{};     // of kHit and kAbsent
};
struct ReadRequest {
  Key key{};
  std::uint64_t floor = 0;   // a record with a lower version is stale: it is taken down and reported as kMiss
  WallTime oldest{};         // a record read from the Datastore before is as good as expired
  bool lease = true;         // ask for the right to fill
  bool cached_only = false;  // use_datastore = false: CACHED records are hits, all others are misses without a lease
  std::uint64_t known = 0;   // a version whose payload the caller has: a hit with it is `unchanged` and comes without
};

// The gold version of a name in the process-wide cache: random, so that no two are alike, whoever makes them.
struct Tag {
  std::uint64_t high = 0, low = 0;
  friend bool operator==(const Tag&, const Tag&) = default;
};
struct TagRead {
  std::string name{};               // any bytes
  std::chrono::seconds timeout{0};  // of a tag that has to be made; 0 = unlimited
  std::optional<Tag> tag = {};      // set by read(): the one that stands; none: its server did not answer
};

// The user's own items, under a prefix of their own, which can't touch a record.
struct RawItem {
  std::string value;
  std::uint64_t token = 0;  // for raw_cas; of this gateway and thread only
};
struct RawRead {
  std::string key{};
  std::optional<RawItem> item = {};  // set by read(): none if there is none, or no answer
};

struct Fill {
  LeasePtr lease{};
  std::uint64_t version = 0;
  WallTime read_time{};
  std::optional<std::string_view> payload{};  // none: known not to exist
  std::chrono::seconds timeout{0};            // 0 = unlimited
};

// The right to write one key: this writer's token in the record's holder list. Opaque.
struct Lock;
using LockPtr = std::shared_ptr<const Lock>;
struct LockRequest {
  Key key{};
  Sighting sighting{};  // if it was seen: saves a round trip
};
enum class Commit { kApplied, kFailed, kUnknown };
struct Unlock {
  LockPtr
      lock{};  // null with kApplied: a key that was not locked, as its id was not known or its class does not insist
  Key key{};
  Commit outcome = Commit::kUnknown;
  std::uint64_t version = 0;                  // of the commit, with kApplied; 0 is as good as kUnknown
  std::optional<std::string_view> payload{};  // write-through; none: the record becomes EMPTY(version)
  std::chrono::seconds timeout{0};
};

struct Stats {  // counted since the gateway was made
  std::uint64_t round_trips = 0, commands = 0, hits = 0, misses = 0, bypassed = 0, fills = 0, locks = 0, unlocks = 0,
                errors = 0, corrupt = 0, stale = 0, ring_mismatches = 0;
  std::uint64_t repairs_waiting = 0;  // releases that memcache has not taken yet
  std::uint64_t repaired = 0;         // of those that had to wait
  std::uint64_t repairs_given_up = 0;
};

// A record as it is, for people: looking at it this way changes nothing and gives no rights.
struct Inspection {
  enum class State {
    kNoAnswer,  // from the server
    kAbsent,
    kEmpty,
    kLock,
    kValue,
    kNeg,
    kCached,
    kForeign,  // of an unknown format
    kCorrupt,  // damaged, or the record of another key
  };
  State state = State::kNoAnswer;
  std::string server{};                       // its home
  std::string name{};                         // its memcache key
  std::size_t stored_size = 0;                // bytes of the whole record as memcached holds it
  std::uint64_t version = 0;                  // of VALUE and NEG; for the others the least that may come next
  WallTime read_time{};                       // of VALUE and NEG: when the Datastore gave this answer
  std::optional<WallTime> expiry{};           // not served from then on
  std::vector<WallTime> holders{};            // of LOCK: the deadline of each writer
  std::optional<WallTime> contended_until{};  // of LOCK
  std::string payload{};                      // of VALUE and CACHED: entity bytes, decompressed
};

// A server as it describes itself.
struct ServerStats {
  std::string address{};
  bool answers = false;  // if not, there are warnings and nothing else
  std::string version{};
  std::chrono::seconds uptime{0};
  std::uint64_t items = 0, bytes = 0, limit_bytes = 0, hits = 0, misses = 0, evictions = 0;
  std::chrono::seconds temporary_ttl{0};  // 0 = off
  std::optional<std::string> ring{};      // the list of servers that its clients use, as it remembers it
  std::vector<std::string> warnings{};    // what makes the protocol weaker or slower, and what to do
};

// Thread-safe; one per client. Functions block, at most for a few of the configured time-outs, and never throw.
class Gateway {
 public:
  // Does not need the servers to be up. INVALID_ARGUMENT if an address is malformed.
  static absl::StatusOr<std::unique_ptr<Gateway>> make(Config config);
  virtual ~Gateway() = default;

  // Everything that is read together: results in the order of the requests, tags and raw items in place. One round trip
  // when all are hits; absent records are leased, and absent tags made, with one more.
  virtual std::vector<ReadResult> read(std::span<const ReadRequest> requests, std::span<TagRead> tags,
                                       std::span<RawRead> raw) = 0;
  std::vector<ReadResult> read(std::span<const ReadRequest> requests) { return read(requests, {}, {}); }
  virtual void fill(std::span<const Fill> fills) = 0;  // does not wait for answers

  // Locks each key just before its commit. UNAVAILABLE for a key whose lock could not be stored: it must not be
  // written. FAILED_PRECONDITION if programs disagree on the servers and that is enforced. A lock protects for at least
  // `hold` from now: 1 to kLongestHold seconds, or INVALID_ARGUMENT.
  static constexpr std::chrono::seconds kLongestHold{387};
  virtual std::vector<absl::StatusOr<LockPtr>> lock(std::span<const LockRequest> requests,
                                                    std::chrono::seconds hold) = 0;
  // Whether the lock still protects for `margin` from now on the clock that counts through suspension.
  virtual bool still_held(const Lock& lock, std::chrono::milliseconds margin) const = 0;
  // What memcache does not take now is tried again in the background, for as long as locks can last.
  virtual void unlock(std::span<const Unlock> unlocks) = 0;

  // What memcache holds of the keys is no longer served: VALUE, NEG, EMPTY, CACHED become EMPTY, LOCK becomes
  // contended.
  virtual absl::Status invalidate(std::span<const Key> keys) = 0;

  // Entities that live in memcache alone (use_datastore = false): record state CACHED.
  virtual absl::Status put_cached(const Key& key, std::string_view payload, std::chrono::seconds timeout) = 0;
  virtual absl::Status delete_cached(const Key& key) = 0;

  // Gives each name a new tag. UNAVAILABLE, naming the name, unless the new tags were seen to stand: somebody may still
  // find the old one.
  virtual absl::Status reset_tags(std::span<const std::string> names, std::chrono::seconds timeout) = 0;

  // Writes to raw items. Network errors give nothing or false, as in NDB.
  enum class RawStore { kSet, kAdd, kReplace };
  virtual bool raw_store(RawStore how, std::string_view key, std::string_view value, std::chrono::seconds timeout) = 0;
  virtual bool raw_cas(std::string_view key, std::string_view value, std::uint64_t token,
                       std::chrono::seconds timeout) = 0;
  virtual bool raw_delete(std::string_view key) = 0;
  virtual std::optional<std::uint64_t> raw_add_number(std::string_view key, std::int64_t delta,
                                                      std::optional<std::uint64_t> initial) = 0;

  virtual Stats stats() const = 0;

  // For operators. In the order of the keys, or of the configured servers.
  virtual std::vector<Inspection> inspect(std::span<const Key> keys) = 0;
  virtual std::vector<ServerStats> server_stats() = 0;
  // Empties every server: locks, raw items and what other programs keep there go too. To the protocol it is the
  // eviction of every record at once. A status for each server; UNAVAILABLE if it did not confirm.
  virtual std::vector<absl::Status> flush_all() = 0;
};

}  // namespace ndb::memcache
