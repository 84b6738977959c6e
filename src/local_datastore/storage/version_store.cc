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

constexpr std::string_view kGarbage = "G";

std::string garbage_key(Version version) {
  std::string out(kGarbage);
  append_big_endian(out, static_cast<std::uint64_t>(version.micros()));
  return out;
}

Version commit_of(std::string_view key) {
  return Version(static_cast<std::int64_t>(load_big_endian(key.substr(kGarbage.size()))));
}

struct Versions {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

// Erases all versions of a row before `version`, and `version` itself if it marks the row as erased.
absl::StatusOr<Versions> erase_versions(const KvStore& store, std::string_view row, Version version,
                                        KvStore::Batch& batch) {
  KvStore::Cursor cursor = store.cursor();
  Versions erased;
  const auto erase = [&] {
    batch.erase(cursor.key());
    ++erased.count;
    erased.bytes += cursor.key().size() + cursor.value().size();
  };
  cursor.seek(versioned(row, version));
  if (cursor.valid() && cursor.key() == versioned(row, version)) {
    if (cursor.value().empty()) erase();
    cursor.next();
  }
  for (; cursor.valid() && cursor.key().size() == row.size() + kVersionSize && cursor.key().starts_with(row);
       cursor.next()) {
    erase();
  }
  NDB_RETURN_IF_ERROR(cursor.status());
  return erased;
}

// Adds the rows that a commit made obsolete, as listed by it, to a batch of erasures.
absl::StatusOr<Versions> obsolete_versions(const KvStore& store, const KvStore::Cursor& list, KvStore::Batch& batch) {
  const Version commit = commit_of(list.key());
  Versions found{.count = 0, .bytes = list.key().size() + list.value().size()};
  for (std::string_view rest = list.value(); rest.size() >= sizeof(std::uint32_t);) {
    const std::size_t size = load_le<std::uint32_t>(rest);
    rest.remove_prefix(sizeof(std::uint32_t));
    if (rest.size() < size) return absl::DataLossError("the store's list of obsolete rows is damaged");
    NDB_ASSIGN_OR_RETURN(const Versions versions, erase_versions(store, rest.substr(0, size), commit, batch));
    found.count += versions.count;
    found.bytes += versions.bytes;
    rest.remove_prefix(size);
  }
  return found;
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

// Skips the versions of current_. Most rows have few, so it steps before it seeks.
void SnapshotReader::skip_versions() {
  constexpr int kSteps = 4;
  for (int i = 0; i < kSteps && cursor_.valid(); ++i) {
    if (row_of(cursor_.key()) != current_) return;
    cursor_.next();
  }
  if (cursor_.valid() && row_of(cursor_.key()) == current_) {
    cursor_.seek(versioned(current_, Version()));  // the oldest possible one
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
      if (!cursor_.valid() || row_of(cursor_.key()) != current_) continue;  // it did not exist at that version
    }
    if (const std::optional<Row> row = row_here()) return row;
    skip_versions();
  }
  NDB_RETURN_IF_ERROR(cursor_.status());
  return std::optional<Row>();
}

absl::StatusOr<std::optional<Row>> SnapshotReader::seek_back(std::string_view key, std::string_view begin) {
  cursor_.seek_back(key);  // no key in the store lacks a version
  return settle_back(begin);
}

absl::StatusOr<std::optional<Row>> SnapshotReader::previous(std::string_view begin) {
  cursor_.seek_back(current_);
  return settle_back(begin);
}

// Iterating backwards reaches the oldest version of a row first.
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

void RowWriter::put(std::string_view key, std::string_view value, Replaced replaced) { put(key, value, "", replaced); }

void RowWriter::put(std::string_view key, std::string_view head, std::string_view tail, Replaced replaced) {
  batch_.put(versioned(key, version_), head, tail);
  if (replaced.has_value()) mark_obsolete(key, key.size() + kVersionSize + *replaced);
}

void RowWriter::erase(std::string_view key, std::size_t replaced) {
  batch_.put(versioned(key, version_), "");
  mark_obsolete(key, 2 * (key.size() + kVersionSize) + replaced);  // the erasure goes with the version before it
}

void RowWriter::mark_obsolete(std::string_view key, std::size_t bytes) {
  append_le(obsolete_, static_cast<std::uint32_t>(key.size()));
  obsolete_.append(key);
  obsolete_bytes_ += bytes;
}

std::size_t RowWriter::finish() {
  if (obsolete_.empty()) return 0;
  const std::string key = garbage_key(version_);
  batch_.put(key, obsolete_);
  return obsolete_bytes_ + key.size() + obsolete_.size();
}

absl::StatusOr<std::size_t> GarbageCollector::collect(const CallContext& call, const MayErase& may_erase,
                                                      const Erased& erased) {
  std::size_t versions = 0;
  KvStore::Cursor lists = store_.cursor();
  for (lists.seek(garbage_key(done_.next())); lists.valid() && lists.key().starts_with(kGarbage); lists.next()) {
    NDB_RETURN_IF_ERROR(call.check());
    const Version commit = commit_of(lists.key());
    if (!may_erase(commit)) return versions;
    KvStore::Batch batch;
    NDB_ASSIGN_OR_RETURN(const Versions found, obsolete_versions(store_, lists, batch));
    batch.erase(lists.key());
    NDB_RETURN_IF_ERROR(store_.apply(batch));
    done_ = commit;
    versions += found.count;
    erased(found.bytes);
  }
  NDB_RETURN_IF_ERROR(lists.status());
  return versions;
}

absl::StatusOr<std::size_t> GarbageCollector::measure(const CallContext& call) {
  std::size_t bytes = 0;
  KvStore::Cursor lists = store_.cursor();
  for (lists.seek(kGarbage); lists.valid() && lists.key().starts_with(kGarbage); lists.next()) {
    NDB_RETURN_IF_ERROR(call.check());
    KvStore::Batch ignored;
    NDB_ASSIGN_OR_RETURN(const Versions found, obsolete_versions(store_, lists, ignored));
    bytes += found.bytes;
  }
  NDB_RETURN_IF_ERROR(lists.status());
  return bytes;
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
