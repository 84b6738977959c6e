// Rows with versions (MVCC) over the ordered store. A row is an entity or an index entry.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/call_context.h"
#include "local_datastore/storage/kv_store.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// One version of a row. The views are valid until the reader that returned it moves.
struct Row {
  std::string_view key{};
  Version version{};
  std::string_view value{};  // never empty
};

// The state of the store at one time, for one call. Store and call outlive it.
struct Snapshot {
  const KvStore& store;
  Version at;
  const CallContext& call;
};

// Reads the rows of a snapshot. Every move checks the call first, so that loops over rows end with their call. One
// thread.
class SnapshotReader {
 public:
  explicit SnapshotReader(const Snapshot& snapshot)
      : call_(snapshot.call), at_(snapshot.at), cursor_(snapshot.store.cursor()) {}

  // The row of that key; absent if there was none, or it was erased.
  absl::StatusOr<std::optional<Row>> find(std::string_view key);

  // Forward scans: the first row at or after `key` and before `end`, and the next one.
  absl::StatusOr<std::optional<Row>> seek(std::string_view key, std::string_view end);
  absl::StatusOr<std::optional<Row>> next(std::string_view end);
  // Backward scans: the last row before `key` and at or after `begin`, and the one before.
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

// The changes of one commit, as versions of rows. It also records what they make obsolete, for collect_garbage().
class RowWriter {
 public:
  RowWriter(KvStore::Batch& batch, Version version) : batch_(batch), version_(version) {}

  // `replaced` is the size of the current value of the row, if it has one.
  using Replaced = std::optional<std::size_t>;
  void put(std::string_view key, std::string_view value, Replaced replaced);
  void put(std::string_view key, std::string_view head, std::string_view tail, Replaced replaced);
  void erase(std::string_view key, std::size_t replaced);
  // Returns the number of bytes that became obsolete.
  std::size_t finish();

 private:
  void mark_obsolete(std::string_view key, std::size_t bytes);

  KvStore::Batch& batch_;
  const Version version_;
  std::string obsolete_;
  std::size_t obsolete_bytes_ = 0;
};

// Erases what commits have made obsolete, commit by commit. One thread.
class GarbageCollector {
 public:
  explicit GarbageCollector(KvStore& store) : store_(store) {}

  // Begins with the oldest commit and continues as long as `may_erase` returns true, which means that no time before
  // that commit will be read. Calls `erased` with the bytes after each commit. Returns the number of versions.
  using MayErase = std::function<bool(Version commit)>;
  using Erased = std::function<void(std::size_t bytes)>;
  absl::StatusOr<std::size_t> collect(const CallContext& call, const MayErase& may_erase, const Erased& erased);

  // The bytes of all obsolete versions.
  absl::StatusOr<std::size_t> measure(const CallContext& call);

 private:
  KvStore& store_;
  Version done_;  // up to this commit all is erased; an earlier scan would only skip tombstones
};

// The stored form of an entity: its creation time (8 bytes, little-endian), followed by the serialized
// google.datastore.v1.Entity, whose first field is its key.
struct StoredEntity {
  Version version{};
  Version create_time{};
  std::string_view entity{};
};
StoredEntity to_entity(const Row& row);
std::string entity_header(Version create_time);

}  // namespace ndb::local
