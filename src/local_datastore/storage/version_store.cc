#include "local_datastore/storage/version_store.h"

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// The value of a version: empty where the row was erased. The key of the list of rows that a commit made obsolete: G
// and its version (big-endian), the value row after row its length and key.
constexpr std::size_t kHeaderSize = 8;

std::string versioned(std::string_view key, Version version) {
  std::string out;
  out.reserve(key.size() + kVersionSize);
  out.append(key);
  append_version(out, version);
  return out;
}

std::string_view row_of(std::string_view key) { return key.substr(0, key.size() - kVersionSize); }
Version version_of(std::string_view key) { return load_version(key.substr(key.size() - kVersionSize)); }

std::string garbage_key(Version version) {
  std::string out(1, 'G');
  append_big_endian(out, static_cast<std::uint64_t>(version.micros()));
  return out;
}

// Erases all versions of a row before `version`, and that one too if it says that the row was erased.
absl::StatusOr<std::size_t> erase_versions(const KvStore& store, std::string_view row, Version version,
                                           KvStore::Batch& batch) {
  KvStore::Cursor cursor = store.cursor();
  std::size_t erased = 0;
  cursor.seek(versioned(row, version));
  if (cursor.valid() && cursor.key() == versioned(row, version)) {
    if (cursor.value().empty()) {
      batch.erase(cursor.key());
      ++erased;
    }
    cursor.next();
  }
  for (; cursor.valid() && cursor.key().size() == row.size() + kVersionSize && cursor.key().starts_with(row);
       cursor.next()) {
    batch.erase(cursor.key());
    ++erased;
  }
  NDB_RETURN_IF_ERROR(cursor.status());
  return erased;
}

}  // namespace

std::optional<Row> SnapshotReader::row_here() {
  if (cursor_.value().empty()) return std::nullopt;
  return Row{.key = current_, .version = version_of(cursor_.key()), .value = cursor_.value()};
}

absl::StatusOr<std::optional<Row>> SnapshotReader::find(std::string_view key) {
  NDB_RETURN_IF_ERROR(call_.check());
  cursor_.seek(versioned(key, at_));
  if (!cursor_.valid()) {
    NDB_RETURN_IF_ERROR(cursor_.status());
    return std::optional<Row>();
  }
  if (cursor_.key().size() != key.size() + kVersionSize || !cursor_.key().starts_with(key)) return std::optional<Row>();
  current_.assign(key);
  return row_here();
}

absl::StatusOr<std::optional<Row>> SnapshotReader::seek(std::string_view key, std::string_view end) {
  cursor_.seek(key);
  return settle(end);
}

absl::StatusOr<std::optional<Row>> SnapshotReader::next(std::string_view end) {
  skip_versions();
  return settle(end);
}

// Past the versions of current_. Most rows have few, so stepping is tried before a seek.
void SnapshotReader::skip_versions() {
  constexpr int kSteps = 4;
  for (int i = 0; i < kSteps && cursor_.valid(); ++i) {
    if (row_of(cursor_.key()) != current_) return;
    cursor_.next();
  }
  if (cursor_.valid() && row_of(cursor_.key()) == current_) {
    cursor_.seek(versioned(current_, Version()));  // the oldest that can be
    while (cursor_.valid() && row_of(cursor_.key()) == current_) cursor_.next();
  }
}

absl::StatusOr<std::optional<Row>> SnapshotReader::settle(std::string_view end) {
  while (cursor_.valid() && cursor_.key() < end) {
    NDB_RETURN_IF_ERROR(call_.check());
    const std::string_view key = cursor_.key();
    current_.assign(row_of(key));
    if (version_of(key) > at_) {
      cursor_.seek(versioned(current_, at_));
      if (!cursor_.valid() || row_of(cursor_.key()) != current_) continue;  // written only later
    }
    if (const std::optional<Row> row = row_here()) return row;
    skip_versions();
  }
  NDB_RETURN_IF_ERROR(cursor_.status());
  return std::optional<Row>();
}

absl::StatusOr<std::optional<Row>> SnapshotReader::seek_back(std::string_view key, std::string_view begin) {
  cursor_.seek_back(key);  // no key of the store is equal to one without a version
  return settle_back(begin);
}

absl::StatusOr<std::optional<Row>> SnapshotReader::previous(std::string_view begin) {
  cursor_.seek_back(current_);
  return settle_back(begin);
}

// Backwards the oldest version of a row is met first.
absl::StatusOr<std::optional<Row>> SnapshotReader::settle_back(std::string_view begin) {
  while (cursor_.valid() && cursor_.key() >= begin) {
    NDB_RETURN_IF_ERROR(call_.check());
    current_.assign(row_of(cursor_.key()));
    if (version_of(cursor_.key()) <= at_) {
      cursor_.seek(versioned(current_, at_));
      if (!cursor_.valid()) break;
      if (const std::optional<Row> row = row_here()) return row;
    }
    cursor_.seek_back(current_);
  }
  NDB_RETURN_IF_ERROR(cursor_.status());
  return std::optional<Row>();
}

void RowWriter::put(std::string_view key, std::string_view value, bool replaces) { put(key, value, "", replaces); }

void RowWriter::put(std::string_view key, std::string_view head, std::string_view tail, bool replaces) {
  batch_.put(versioned(key, version_), head, tail);
  if (replaces) mark_obsolete(key);
}

void RowWriter::erase(std::string_view key) {
  batch_.put(versioned(key, version_), "");
  mark_obsolete(key);
}

void RowWriter::mark_obsolete(std::string_view key) {
  append_le(obsolete_, static_cast<std::uint32_t>(key.size()));
  obsolete_.append(key);
}

void RowWriter::finish() {
  if (!obsolete_.empty()) batch_.put(garbage_key(version_), obsolete_);
}

absl::StatusOr<std::size_t> collect_garbage(KvStore& store, Version horizon) {
  const std::string end = garbage_key(horizon.next());
  std::size_t erased = 0;
  KvStore::Cursor lists = store.cursor();
  for (lists.seek(garbage_key(Version())); lists.valid() && lists.key() < end; lists.next()) {
    const Version version(static_cast<std::int64_t>(load_big_endian(lists.key().substr(1))));
    KvStore::Batch batch;
    for (std::string_view rest = lists.value(); rest.size() >= sizeof(std::uint32_t);) {
      const std::size_t size = load_le<std::uint32_t>(rest);
      rest.remove_prefix(sizeof(std::uint32_t));
      if (rest.size() < size) return absl::DataLossError("the store's list of obsolete rows is damaged");
      NDB_ASSIGN_OR_RETURN(const std::size_t count, erase_versions(store, rest.substr(0, size), version, batch));
      erased += count;
      rest.remove_prefix(size);
    }
    batch.erase(lists.key());
    NDB_RETURN_IF_ERROR(store.apply(batch));
  }
  NDB_RETURN_IF_ERROR(lists.status());
  return erased;
}

StoredEntity to_entity(const Row& row) {
  if (row.value.size() < kHeaderSize) return {.version = row.version};
  return {.version = row.version,
          .create_time = Version(static_cast<std::int64_t>(load_le<std::uint64_t>(row.value))),
          .entity = row.value.substr(kHeaderSize)};
}

std::string entity_header(Version create_time) {
  std::string out;
  append_le(out, static_cast<std::uint64_t>(create_time.micros()));
  return out;
}

}  // namespace ndb::local
