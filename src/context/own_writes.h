// What a context has written and the Datastore has not confirmed yet.
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

// Reads of the context give what it has written last, before they ask the context cache or any tier. Outside of
// transactions that is so until the write has ended; nothing is left of one that failed. In a transaction it is so
// until the transaction ends. Nothing is ever evicted. The writes of a key end in the order in which they began.
// Belongs to the thread of its context.
class OwnWrites {
 public:
  // A put of `payload`, or a delete if that is null. True: no other write of the key is under way.
  bool begin(const Key& key, detail::PayloadPtr payload);
  // The oldest write of the key that is under way has ended. Calls those who wait for it.
  void end(const Key& key);

  // What was written last, null for a delete; nullptr: no write of the key is under way. The pointer lives until the
  // next call that is not const.
  const detail::PayloadPtr* find(const Key& key) const {
    if (by_key_.empty()) return nullptr;
    const auto found = by_key_.find(key);
    return found != by_key_.end() ? &found->second.payload : nullptr;
  }
  bool empty() const { return by_key_.empty(); }

  // Calls `then` when the writes of the key, or of all keys, that are under way now have ended; there must be some.
  void when_ended(const Key& key, std::function<void()> then);
  void when_all_ended(const std::function<void()>& then);

 private:
  struct OfKey {
    detail::PayloadPtr payload;
    std::uint64_t begun = 0, ended = 0;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting{};  // until so many have ended
  };
  absl::flat_hash_map<Key, OfKey, KeyHash> by_key_;
};

}  // namespace ndb::context
