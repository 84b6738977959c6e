// The in-context cache: what this context has read or written, by key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "base/clock.h"
#include "base/segmented_lru.h"
#include "memcache/gateway.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"

namespace ndb::context {

// The version of a slot that holds a write of the transaction that is running: newer than anything a read can bring.
inline constexpr std::uint64_t kUncommitted = UINT64_MAX;

struct KeyHash {
  std::size_t operator()(const Key& key) const { return key.hash(); }
};

// Slots and version floors. Not thread-safe: belongs to its context.
//
// A slot holds the payload that was read or put, or "known absent" (no payload), and the Datastore's version of it (0
// where the Datastore has no say: entities without Datastore, and writes of a transaction that has not been committed).
// The floor of a key is the lowest version that a record in memcache may have to be believed: no lower than what this
// context read (the slot) or wrote (the written floors, which survive clear()).
class ContextCache {
 public:
  struct Slot {
    detail::PayloadPtr payload;
    std::uint64_t version = 0;
    WallTime read_time{};           // when the Datastore last said so
    memcache::Sighting sighting{};  // of the record, if memcache served it
  };

  // The slot of `key`, or null. Counts as a use for the limit. The pointer lives until the next call that is not const.
  const Slot* find(const Key& key);

  // What a read brought that began in `generation`: kept unless the slot, or a write of this context, is newer, or that
  // generation has ended. Gives the slot that stands afterwards, or null if what was read must not be in one.
  const Slot* store_read(const Key& key, Slot read, std::uint64_t generation);
  void store_written(const Key& key, Slot written);
  void assign_uncommitted(const Key& key, detail::PayloadPtr payload) {
    assign(key, {std::move(payload), kUncommitted, WallTime::max()});
  }
  void erase(const Key& key);
  // Both end the generation: what was read before is not served, and what is on its way leaves nothing here.
  void invalidate(const Key& key);
  void clear();
  std::uint64_t generation() const { return generation_; }

  memcache::Sighting sighting(const Key& key) const;

  std::uint64_t floor(const Key& key) const;
  void raise_floor(const Key& key, std::uint64_t version);

  // After a write of unknown outcome nothing that memcache says of the key is believed any more by this context.
  void distrust(const Key& key);
  bool distrusted(const Key& key) const;

  void set_limit(std::size_t entries, std::size_t bytes);
  void copy_limit(const ContextCache& other) { set_limit(other.max_entries_, other.max_bytes_); }
  std::size_t size() const { return slots_.size(); }
  void for_each(const std::function<void(const Key&, const Slot&)>& visit) const;

 private:
  struct Node : Slot, LruEntry {
    const Key* key = nullptr;  // in the map
  };
  Node& assign(const Key& key, Slot slot);

  absl::node_hash_map<Key, Node, KeyHash> slots_;  // nodes stay where they are, as the order needs
  SegmentedLru<Node> order_;
  std::size_t max_entries_ = SIZE_MAX, max_bytes_ = SIZE_MAX;
  std::uint64_t generation_ = 0;

  // By hash of the key and in two generations, so that a context that writes a million entities keeps a bounded table;
  // a collision only costs a needless Lookup.
  absl::flat_hash_map<std::size_t, std::uint64_t> written_, written_before_;
  absl::flat_hash_set<Key, KeyHash> distrusted_;
};

}  // namespace ndb::context
