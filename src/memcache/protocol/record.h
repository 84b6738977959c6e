// A record: what memcache holds of one key. The bytes are described, for other clients too, in docs/record-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace ndb::memcache {

enum class State : std::uint8_t {
  kEmpty = 1,   // nothing is known, and whoever read this may fill it with a version of at least `version`
  kLock = 2,    // writers are at work: not served, not filled
  kValue = 3,   // the entity, as of `version`
  kNeg = 4,     // known not to exist, as of `version`
  kCached = 5,  // an entity that lives in memcache alone; to all others this is kEmpty
};

// A writer in a LOCK.
struct Holder {
  std::uint64_t token = 0;     // random, never 0, new for every attempt to lock
  std::uint32_t deadline = 0;  // Unix seconds, by the writer's clock
  friend bool operator==(const Holder&, const Holder&) = default;
};

struct Record {
  State state = State::kEmpty;
  std::uint64_t version = 0;      // of VALUE and NEG; for the others the least version that may replace them
  WallTime read_time{};           // when the Datastore gave this answer
  std::uint32_t expiry = 0;       // Unix seconds; 0 = none. Readers don't serve an expired record
  std::uint64_t token = 0;        // EMPTY and CACHED: random, so that no two are alike
  std::vector<Holder> holders{};  // LOCK
  std::uint32_t contended_until =
      0;                          // LOCK: until then (Unix seconds) it also protects writers whose holders were lost
  std::string payload{};          // VALUE and CACHED: entity bytes
  bool payload_left_out = false;  // by parse()
};

// The most bytes that the payload of a record has: what an entity may have (Datastore API).
inline constexpr std::size_t kMaxPayload = 1'048'572;

// The memcache key of the entity with these key bytes: at most 250 bytes, none of them white space or a control
// character.
std::string record_name(std::string_view key);

struct Encoded {
  std::uint32_t flags = 0;
  std::string body;
};
// `compress_above`: payloads of more bytes are compressed, where that makes them smaller.
Encoded encode(const Record& record, std::string_view key, std::size_t compress_above);

enum class Parsed {
  kRecord,
  kUnknown,  // another format: somebody else's, who knows what it protects
  kCorrupt,  // this format, but damaged, or the record of another key
};
// The body that ends with the checksum of `covered`, as encode() makes it.
std::string with_checksum(std::uint32_t flags, std::string covered);

// What a reader wants of a payload.
struct PayloadWanted {
  std::uint64_t known = 0;          // a version whose payload the caller has: it is left out
  std::size_t* inflated = nullptr;  // bytes that may still be decompressed, shared by a batch; null: no payload at all
};

// Any input is safe: nothing is allocated but what has been checked. `record` is set with kRecord only. A payload that
// is not wanted, or would exceed what may be decompressed, is left out and not looked at.
Parsed parse(std::uint32_t flags, std::string_view body, std::string_view key, const PayloadWanted& wanted,
             Record& record);
// With its payload, whatever may be in it.
Parsed parse_whole(std::uint32_t flags, std::string_view body, std::string_view key, Record& record);

}  // namespace ndb::memcache
