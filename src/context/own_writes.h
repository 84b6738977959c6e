// What a context has written and the Datastore has not confirmed.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "context/context_cache.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"

namespace ndb::context {

// Reads of the context see its last write before they ask the context cache or any other tier: in a transaction until
// the transaction ends, otherwise until the write has ended; a write that failed leaves nothing. Nothing is ever
// evicted. The writes of a key end in the order in which they began. Belongs to the thread of its context.
class OwnWrites {
 public:
  // Begins a put of `payload`, or a delete if that is null; or an opaque write, whose result only the Datastore knows.
  // True: no other write of the key is in flight.
  bool begin(const Key& key, detail::PayloadPtr payload, bool opaque = false);
  // The oldest write of the key in flight has ended. Calls its waiters.
  void end(const Key& key);

  // The payload that was written last, itself null for a delete. Returns nullptr if no write of the key is in flight.
  // The pointer is valid until the next non-const call.
  const detail::PayloadPtr* find(const Key& key) const {
    if (by_key_.empty()) return nullptr;
    const auto found = by_key_.find(key);
    return found != by_key_.end() ? &found->second.payload : nullptr;
  }
  // Whether the last write of the key is opaque: the payload of find() then means nothing.
  bool is_opaque(const Key& key) const {
    const auto found = by_key_.find(key);
    return found != by_key_.end() && found->second.opaque;
  }
  bool empty() const { return by_key_.empty(); }

  // Calls `then` when the writes of the key, or of all keys, that are in flight now have ended; there must be some.
  void when_ended(const Key& key, std::function<void()> then);
  void when_all_ended(const std::function<void()>& then);

 private:
  struct OfKey {
    detail::PayloadPtr payload;
    bool opaque = false;
    std::uint64_t begun = 0, ended = 0;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting{};  // until that many writes have ended
  };
  absl::flat_hash_map<Key, OfKey, KeyHash> by_key_;
};

}  // namespace ndb::context
