// The history of one phase: every write and every read with the times of its call and its answer, and the versions that
// the Datastore returned. recorder.h records it, checker.h checks it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ndb::consistency {

using Nanos = std::int64_t;  // CLOCK_MONOTONIC, which all processes of a machine share
inline constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

using Version = std::uint64_t;  // 0 = not known
using WriteId = std::uint64_t;  // worker, thread and number of the write; also the value that a put leaves. 0 = absence
using KeyIndex = std::uint32_t;   // of a phase's keys
using SessionId = std::uint64_t;  // a context between two clear_cache()

// One key of one call of put or delete, or of one attempt of a transaction.
struct Write {
  WriteId id = 0;
  KeyIndex key = 0;
  SessionId session = 0;
  bool erases = false;
  Nanos invoked = 0;
  Nanos acknowledged = kNever;
  bool sent = false;     // a Commit with it was handed to the Datastore
  bool refused = false;  // the Datastore answered that it did nothing ...
  bool applied = false;  // ... or that it did this, of which the caller need not have heard
  Version version = 0;   // learned from the answer to the Commit, or from a Lookup that found it

  bool is_acknowledged() const { return acknowledged != kNever; }
  bool may_apply() const { return is_acknowledged() || version != 0 || (sent && !refused); }
  bool is_unknown() const { return sent && !refused && !applied; }
};

// The tier that answered a read. If part of a batch came from the context's cache, the rest counts as read from that
// too, unless it came from the Datastore.
enum class Tier : std::uint8_t { kContext, kMemcache, kDatastore, kTransaction };
inline constexpr int kTiers = 4;

struct Read {
  KeyIndex key = 0;
  Tier tier = Tier::kDatastore;
  bool remembered = false;  // use_cache = true: later reads of the session are no older
  WriteId id = 0;
  SessionId session = 0;
  Nanos begin = 0;
  Nanos end = 0;
};

// The final state of a key: in the Datastore, and as memcache serves it.
struct Final {
  KeyIndex key = 0;
  bool served = false;         // memcache answers for it ...
  bool served_absent = false;  // ... that there is none, or ...
  Version served_version = 0;  // ... with this version
  WriteId id = 0;              // in the Datastore; 0 = absent
  Version version = 0;
  std::int64_t count = 0;  // of a counter
};

struct History {
  std::vector<Write> writes;
  std::vector<Read> reads;
  std::vector<Final> finals;
  std::vector<bool> counters;      // by key: changed by increments only
  std::vector<bool> locks_lost;    // by key: its memcached was killed, so that P3 is not promised
  std::uint64_t batches = 0;       // calls that read
  std::vector<std::string> flaws;  // of the recording itself
};

}  // namespace ndb::consistency
