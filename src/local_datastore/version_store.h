// Entities with their history, above the ordered store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "local_datastore/kv_store.h"
#include "local_datastore/storage_key.h"

namespace ndb::local {

// One version of one entity. `entity` holds the serialized google.datastore.v1.Entity, whose first field is its key; it
// lives until the reader that gave it moves.
struct StoredEntity {
  Version version = 0;
  Version create_time = 0;
  std::string_view entity{};
};

// Entities as they were at one time. One thread, and not longer than the store.
class SnapshotReader {
 public:
  SnapshotReader(const KvStore& store, Version at) : at_(at), cursor_(store.cursor()) {}

  Version at() const { return at_; }

  // The entity at StorageKey::entity(); absent if there was none, or it was deleted.
  absl::StatusOr<std::optional<StoredEntity>> find(std::string_view entity_key);

  // As a scan over entity keys in their order: goes to the first entity at or after `entity_key` and before `end`.
  absl::StatusOr<std::optional<StoredEntity>> seek(std::string_view entity_key, std::string_view end);
  absl::StatusOr<std::optional<StoredEntity>> next(std::string_view end);
  // The entity key of what seek() or next() gave.
  std::string_view entity_key() const { return current_; }

 private:
  absl::StatusOr<std::optional<StoredEntity>> settle(std::string_view end);
  void skip_versions();

  Version at_;
  KvStore::Cursor cursor_;
  std::string current_;
};

// Adds a version of an entity, or of its absence, to a batch.
void put_version(KvStore::Batch& batch, std::string_view entity_key, Version version, Version create_time,
                 std::string_view entity);
void put_tombstone(KvStore::Batch& batch, std::string_view entity_key, Version version);

}  // namespace ndb::local
