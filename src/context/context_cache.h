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

// `payload` as the class asked for: it may be of another class of the kind, or of ndb::Entity, and then its values are
// given in a payload of the caller's class.
absl::StatusOr<detail::PayloadPtr> as_class(const Key& key, const detail::PayloadPtr& payload,
                                            const detail::ModelInfo& info);

// Slots and version floors. Not thread-safe: belongs to its context.
//
// A slot holds the payload that was read or put, or "known absent" (no payload), and the Datastore's version of it (0
// where the Datastore has no say: entities without Datastore). What is put is in a slot once it has been written, and
// in OwnWrites until then. The floor of a key is the lowest version that a record in memcache may have to be believed:
// no lower than what this context read (the slot) or wrote (the written floors, which survive clear()).
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

  // The entity in the slot of `key`, as the class asked for; null where it is known to be absent; nullopt if there is
  // no slot that was read at `oldest` or later. The slot may hold another class of the kind, or ndb::Entity: the caller
  // gets the same values in its own class.
  std::optional<absl::StatusOr<detail::PayloadPtr>> find_as(const Key& key, const detail::ModelInfo& info,
                                                            WallTime oldest = {});

  // Stores the result of a read that began in `generation`, unless that generation has ended, or the slot or a write of
  // this context is newer. Gives the slot of the key afterwards, or null if the result must not be in one.
  const Slot* store_read(const Key& key, Slot read, std::uint64_t generation);
  // Stores what this context wrote, unless the context knows of something newer.
  void store_written(const Key& key, Slot written);
  void erase(const Key& key);
  // Both end the generation: what was read before is no longer served, and reads in flight store nothing.
  void invalidate(const Key& key);
  void clear();
  std::uint64_t generation() const { return generation_; }

  memcache::Sighting sighting(const Key& key) const;

  std::uint64_t floor(const Key& key) const;
  void raise_floor(const Key& key, std::uint64_t version);

  // After a write of unknown outcome this context no longer believes what memcache says of the key.
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

  // By the hash of the key: a collision costs no more than a needless Lookup. In two halves, the older of which is
  // dropped when the newer is full, so that a context that writes a million entities keeps a bounded table.
  absl::flat_hash_map<std::size_t, std::uint64_t> written_, written_before_;
  absl::flat_hash_set<Key, KeyHash> distrusted_;
};

}  // namespace ndb::context
