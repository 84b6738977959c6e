// A record: what memcache holds of one key. docs/record-format.md specifies the bytes, for other clients too.
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
  kEmpty = 1,   // nothing is known; its reader may fill it with `version` or a later one
  kLock = 2,    // writers are active: not served, not filled
  kValue = 3,   // the entity, as of `version`
  kNeg = 4,     // known not to exist, as of `version`
  kCached = 5,  // an entity stored only in memcache; other operations treat it as kEmpty
};

// A writer in a LOCK.
struct Holder {
  std::uint64_t token = 0;     // random, never 0, new for every attempt to lock
  std::uint32_t deadline = 0;  // Unix seconds, by the writer's clock
  friend bool operator==(const Holder&, const Holder&) = default;
};

struct Record {
  State state = State::kEmpty;
  std::uint64_t version = 0;          // of VALUE and NEG; for the others the lowest version that may replace them
  WallTime read_time{};               // when the Datastore gave this answer
  std::uint32_t expiry = 0;           // Unix seconds; 0 = none. Readers don't serve an expired record
  std::uint64_t token = 0;            // EMPTY and CACHED: random, so that no two are alike
  std::vector<Holder> holders{};      // LOCK
  std::uint32_t contended_until = 0;  // LOCK: until then (Unix seconds) it protects writers whose holders were lost
  std::string payload{};              // VALUE and CACHED: entity bytes
  bool payload_left_out = false;      // set by parse()
};

// The largest payload of a record: the largest entity of the Datastore API.
inline constexpr std::size_t kMaxPayload = 1'048'572;

// The longest key that memcached accepts.
inline constexpr std::size_t kMaxName = 250;

// The memcache key of the entity with these key bytes: at most kMaxName bytes, without white space and control
// characters.
std::string record_name(std::string_view key);

struct Encoded {
  std::uint32_t flags = 0;
  std::string body;
};
// Payloads of more than `compress_above` bytes are compressed if that makes them smaller.
Encoded encode(const Record& record, std::string_view key, std::size_t compress_above);

enum class Parsed {
  kRecord,
  kUnknown,  // another format, which may be somebody's lock
  kCorrupt,  // this format, but damaged, or the record of another key
};
// The body followed by the checksum of `covered`, as encode() makes it.
std::string with_checksum(std::uint32_t flags, std::string covered);

// Which part of a payload a reader wants.
struct PayloadWanted {
  std::uint64_t known = 0;          // version of the caller's payload, which is left out
  std::size_t* inflated = nullptr;  // bytes that may still be decompressed, shared by a batch; null: no payload at all
};

// Accepts any input: it allocates only what it has validated. `record` is set only with kRecord. A payload that is not
// wanted, or would exceed the limit on decompressed bytes, is left out and not examined.
Parsed parse(std::uint32_t flags, std::string_view body, std::string_view key, const PayloadWanted& wanted,
             Record& record);
// Parses with the payload, whatever its version and size.
Parsed parse_whole(std::uint32_t flags, std::string_view body, std::string_view key, Record& record);

}  // namespace ndb::memcache
