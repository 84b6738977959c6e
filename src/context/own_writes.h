// What a context has written and the Datastore has not confirmed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "context/context_cache.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"

namespace ndb::context {

// Reads of the context see its last write before they ask the context cache or any other tier: in a transaction until
// the transaction ends, otherwise until the write has ended; a write that failed leaves nothing. Nothing is ever
// evicted. Belongs to the thread of its context.
class OwnWrites {
 public:
  // Begins a put of `payload`, or a delete if that is null; or an opaque write, whose result only the Datastore knows.
  // Returns its turn among the writes of the key: 1 if no other one is in flight.
  std::uint64_t begin(const Key& key, detail::PayloadPtr payload, bool opaque = false);
  // The same for a transaction, whose last write of a key takes the place of the earlier one.
  void replace(const Key& key, detail::PayloadPtr payload, bool opaque);
  // The write with that turn has ended; writes may end in any order. Reads then see the last one that is still in
  // flight. Calls those who waited for the writes that have ended. True: it was the oldest one, and another follows.
  bool end(const Key& key, std::uint64_t turn);

  // The payload that was written last, itself null for a delete. Returns nullptr if no write of the key is in flight.
  // The pointer is valid until the next non-const call.
  const detail::PayloadPtr* find(const Key& key) const {
    if (by_key_.empty()) return nullptr;
    const auto found = by_key_.find(key);
    return found != by_key_.end() ? &found->second.last.payload : nullptr;
  }
  // Whether the last write of the key is opaque: the payload of find() then means nothing.
  bool is_opaque(const Key& key) const {
    const auto found = by_key_.find(key);
    return found != by_key_.end() && found->second.last.opaque;
  }
  bool empty() const { return by_key_.empty(); }

  // Calls `then` when the writes of the key, or of all keys, that are in flight now have ended; there must be some.
  void when_ended(const Key& key, std::function<void()> then);
  void when_all_ended(const std::function<void()>& then);

 private:
  struct Written {
    detail::PayloadPtr payload;
    bool opaque = false;
  };
  struct OfKey {
    std::uint64_t begun = 0;                     // the last turn that begin() returned
    std::uint64_t last_turn = 0;                 // the turn of `last`
    Written last;                                // apart from the others, so that a key's only write allocates nothing
    std::map<std::uint64_t, Written> earlier{};  // in flight, by their turns
    std::vector<std::pair<std::uint64_t, std::function<void()>>> waiting{};  // for the writes up to that turn
  };
  absl::flat_hash_map<Key, OfKey, KeyHash> by_key_;
};

}  // namespace ndb::context
