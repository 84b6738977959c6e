// The part of the gateway for operators: inspection of records and servers, counters, flushing all servers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "ndb/key.h"
#include "ndb/stats.h"

namespace ndb::memcache {

// A record for display. Reading it this way changes nothing and grants no lease.
struct Inspection {
  enum class State : std::uint8_t {
    kNoAnswer,  // the server did not answer
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
  std::string server{};                       // the home of the key
  std::string name{};                         // its memcache key
  std::size_t stored_size = 0;                // bytes of the whole record as memcached holds it
  std::uint64_t version = 0;                  // of VALUE and NEG; for the others the lowest version that may follow
  WallTime read_time{};                       // of VALUE and NEG: when the Datastore gave this answer
  std::optional<WallTime> expiry{};           // nobody serves it from then on
  std::vector<WallTime> holders{};            // of LOCK: the deadline of each writer
  std::optional<WallTime> contended_until{};  // of LOCK
  std::string payload{};                      // of VALUE and CACHED: entity bytes, decompressed
};

// What a server reports about itself.
struct ServerStats {
  std::string address{};
  bool answers = false;  // if false, only `warnings` is set
  std::string version{};
  std::chrono::seconds uptime{0};
  std::uint64_t items = 0, bytes = 0, limit_bytes = 0, hits = 0, misses = 0, evictions = 0;
  std::chrono::seconds temporary_ttl{0};  // 0 = off
  std::optional<std::string> ring{};      // the list of servers that its clients use
  std::vector<std::string> warnings{};    // settings that weaken or slow the protocol, and what to change
};

// Thread-safe; blocks and never throws, like Coherence.
class Admin {
 public:
  virtual ~Admin() = default;

  // Counts since the gateway was made. The counters of the consistency probe are 0 here.
  virtual MemcacheStats stats() const = 0;
  // In the order of the keys, or of the configured servers.
  virtual std::vector<Inspection> inspect(std::span<const Key> keys) = 0;
  virtual std::vector<ServerStats> server_stats() = 0;
  // Empties every server, including locks, raw items and the items of other programs. To the protocol this is an
  // eviction of every record at once. Returns a status per server; UNAVAILABLE if the server did not confirm.
  virtual std::vector<absl::Status> flush_all() = 0;
};

}  // namespace ndb::memcache
