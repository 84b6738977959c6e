// The part of the gateway for operators: a look at records and servers, counters, and the emptying of all servers.
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

// A record as it is, for people: looking at it this way changes nothing and gives no rights.
struct Inspection {
  enum class State : std::uint8_t {
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

// Thread-safe; blocks and never throws, like Coherence.
class Admin {
 public:
  virtual ~Admin() = default;

  // Counted since the gateway was made; what the consistency probe counts is 0 here.
  virtual MemcacheStats stats() const = 0;
  // In the order of the keys, or of the configured servers.
  virtual std::vector<Inspection> inspect(std::span<const Key> keys) = 0;
  virtual std::vector<ServerStats> server_stats() = 0;
  // Empties every server: locks, raw items and what other programs keep there go too. To the protocol it is the
  // eviction of every record at once. A status for each server; UNAVAILABLE if it did not confirm.
  virtual std::vector<absl::Status> flush_all() = 0;
};

}  // namespace ndb::memcache
