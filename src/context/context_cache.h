// The in-context cache: what this context has read or written, by key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/segmented_lru.h"
#include "memcache/gateway.h"
#include "ndb/detail/model_info.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"

namespace ndb::context {

struct KeyHash {
  std::size_t operator()(const Key& key) const { return key.hash(); }
};

// `payload` in the class that the caller asked for. The payload may be of another class of the kind, or of ndb::Entity;
// then the result is a new payload of the caller's class with the same values.
absl::StatusOr<detail::PayloadPtr> as_class(const Key& key, const detail::PayloadPtr& payload,
                                            const detail::ModelInfo& info);

// What a context knows of an entity without asking another tier.
struct KnownEntity {
  bool known = false;  // false: the other tiers must be asked
  // If known: null for an absent entity, an error for one that does not fit the class.
  absl::StatusOr<detail::PayloadPtr> payload{};
};

// Slots and version floors. Not thread-safe: belongs to its context.
//
// A slot holds a payload that was read or put, or no payload for an entity that is known to be absent, and the
// Datastore's version of it (0 for entities that are not stored in the Datastore). A put is in OwnWrites until it has
// been written, and in a slot afterwards. The floor of a key is the lowest version that the context accepts from
// memcache: it is not below what this context has read (the slot) or written (the written floors, which survive
// clear()).
class ContextCache {
 public:
  struct Slot {
    detail::PayloadPtr payload;
    std::uint64_t version = 0;
    WallTime read_time{};          // when the Datastore last confirmed it
    memcache::CasHint cas_hint{};  // if memcache served it
  };

  // The slot of `key`, or null. Counts as a use for the LRU. The pointer is valid until the next non-const call.
  const Slot* find(const Key& key);

  // The entity in the slot of `key`, in the class that the caller asked for; not known if there is no slot that was
  // read at `oldest` or later.
  KnownEntity find_as(const Key& key, const detail::ModelInfo& info, WallTime oldest = {});

  // Stores the result of a read that began in `generation`, unless that generation has ended, or the slot or a write of
  // this context is newer. Returns the slot of the key afterwards, or null if the result must not be cached.
  const Slot* store_read(const Key& key, Slot read, std::uint64_t generation);
  // Stores what this context wrote, unless it has read a newer version.
  void store_written(const Key& key, Slot written);
  void erase(const Key& key);
  // Both end the generation: entries are no longer served, and reads in flight store nothing.
  void invalidate(const Key& key);
  void clear();
  std::uint64_t generation() const { return generation_; }

  memcache::CasHint cas_hint(const Key& key) const;

  std::uint64_t floor(const Key& key) const;
  void raise_floor(const Key& key, std::uint64_t version);

  // After a write of unknown outcome: this context no longer asks memcache for the key.
  void mark_uncertain(const Key& key);
  bool is_uncertain(const Key& key) const;

  void set_limit(std::size_t entries, std::size_t bytes);
  void copy_limit(const ContextCache& other) { set_limit(other.max_entries_, other.max_bytes_); }
  std::size_t size() const { return slots_.size(); }
  void for_each(const std::function<void(const Key&, const Slot&)>& visit) const;

 private:
  struct Node : Slot, LruEntry {
    const Key* key = nullptr;  // the one in the map
  };
  Node& assign(const Key& key, Slot slot);

  absl::node_hash_map<Key, Node, KeyHash> slots_;  // node addresses must be stable: the LRU order has pointers to them
  SegmentedLru<Node> order_;
  std::size_t max_entries_ = SIZE_MAX, max_bytes_ = SIZE_MAX;
  std::uint64_t generation_ = 0;

  // By the hash of the key: a collision costs at most a needless Lookup. There are two halves; when the newer one is
  // full, the older one is dropped, so that the table stays bounded even if a context writes a million entities.
  absl::flat_hash_map<std::size_t, std::uint64_t> written_, written_before_;
  absl::flat_hash_set<Key, KeyHash> uncertain_;
};

}  // namespace ndb::context
