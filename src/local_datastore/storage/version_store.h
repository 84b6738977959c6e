// Rows with their history, above the ordered store. A row is an entity, or an entry of an index.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/call_context.h"
#include "local_datastore/storage/kv_store.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// One version of a row. The views live until the reader that gave it moves.
struct Row {
  std::string_view key{};
  Version version{};
  std::string_view value{};  // never empty
};

// The store as it was at one time, for one call. Both outlive it.
struct Snapshot {
  const KvStore& store;
  Version at;
  const CallContext& call;
};

// Rows of a snapshot. Every move asks whether the call may go on, so that whatever reads rows ends with its call. One
// thread.
class SnapshotReader {
 public:
  explicit SnapshotReader(const Snapshot& snapshot)
      : call_(snapshot.call), at_(snapshot.at), cursor_(snapshot.store.cursor()) {}

  // The row of that key; absent if there was none, or it was erased.
  absl::StatusOr<std::optional<Row>> find(std::string_view key);

  // Scans, forwards: the first row at or after `key` and before `end`, and the next one.
  absl::StatusOr<std::optional<Row>> seek(std::string_view key, std::string_view end);
  absl::StatusOr<std::optional<Row>> next(std::string_view end);
  // And backwards: the last row before `key` and at or after `begin`, and the one before.
  absl::StatusOr<std::optional<Row>> seek_back(std::string_view key, std::string_view begin);
  absl::StatusOr<std::optional<Row>> previous(std::string_view begin);

 private:
  absl::StatusOr<std::optional<Row>> settle(std::string_view end);
  absl::StatusOr<std::optional<Row>> settle_back(std::string_view begin);
  std::optional<Row> row_here();
  void skip_versions();

  const CallContext& call_;
  Version at_;
  KvStore::Cursor cursor_;
  std::string current_;  // the key of the row that the cursor is at
};

// The changes of one commit, as versions of rows. What they make obsolete is remembered with them, until
// collect_garbage() erases it.
class RowWriter {
 public:
  RowWriter(KvStore::Batch& batch, Version version) : batch_(batch), version_(version) {}

  // `replaces`: the row has an older version.
  void put(std::string_view key, std::string_view value, bool replaces);
  void put(std::string_view key, std::string_view head, std::string_view tail, bool replaces);
  void erase(std::string_view key);
  void finish();

 private:
  void mark_obsolete(std::string_view key);

  KvStore::Batch& batch_;
  const Version version_;
  std::string obsolete_;
};

// Erases versions that nobody sees who reads at `horizon` or later. Gives how many there were.
absl::StatusOr<std::size_t> collect_garbage(KvStore& store, Version horizon);

// An entity as rows have it: the time of its creation (8 bytes, little-endian) before the serialized
// google.datastore.v1.Entity, whose first field is its key.
struct StoredEntity {
  Version version{};
  Version create_time{};
  std::string_view entity{};
};
StoredEntity to_entity(const Row& row);
std::string entity_header(Version create_time);

}  // namespace ndb::local
