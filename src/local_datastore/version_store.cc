#include "local_datastore/version_store.h"

#include <limits>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// A value is empty for a deleted entity, else the creation time (8 bytes, little-endian) and the entity.
constexpr std::size_t kHeaderSize = 8;

std::optional<StoredEntity> decode(Version version, std::string_view value) {
  if (value.size() < kHeaderSize) return std::nullopt;
  return StoredEntity{.version = version,
                      .create_time = static_cast<Version>(load_le<std::uint64_t>(value)),
                      .entity = value.substr(kHeaderSize)};
}

std::string versioned(std::string_view entity_key, Version version) {
  std::string out;
  out.reserve(entity_key.size() + kVersionSize);
  out.append(entity_key);
  append_version(out, version);
  return out;
}

std::string_view entity_key_of(std::string_view key) { return key.substr(0, key.size() - kVersionSize); }
Version version_of(std::string_view key) { return load_version(key.substr(key.size() - kVersionSize)); }

}  // namespace

absl::StatusOr<std::optional<StoredEntity>> SnapshotReader::find(std::string_view entity_key) {
  cursor_.seek(versioned(entity_key, at_));
  if (!cursor_.valid()) {
    NDB_RETURN_IF_ERROR(cursor_.status());
    return std::optional<StoredEntity>();
  }
  const std::string_view key = cursor_.key();
  if (key.size() != entity_key.size() + kVersionSize || !key.starts_with(entity_key)) {
    return std::optional<StoredEntity>();
  }
  return decode(version_of(key), cursor_.value());
}

absl::StatusOr<std::optional<StoredEntity>> SnapshotReader::seek(std::string_view entity_key, std::string_view end) {
  cursor_.seek(entity_key);
  return settle(end);
}

absl::StatusOr<std::optional<StoredEntity>> SnapshotReader::next(std::string_view end) {
  skip_versions();
  return settle(end);
}

// Past the versions of current_. Most entities have few, so stepping is tried before a seek.
void SnapshotReader::skip_versions() {
  constexpr int kSteps = 4;
  for (int i = 0; i < kSteps && cursor_.valid(); ++i) {
    if (entity_key_of(cursor_.key()) != current_) return;
    cursor_.next();
  }
  if (cursor_.valid() && entity_key_of(cursor_.key()) == current_) {
    cursor_.seek(versioned(current_, 0));  // the oldest that can be
    while (cursor_.valid() && entity_key_of(cursor_.key()) == current_) cursor_.next();
  }
}

absl::StatusOr<std::optional<StoredEntity>> SnapshotReader::settle(std::string_view end) {
  while (cursor_.valid() && cursor_.key() < end) {
    const std::string_view key = cursor_.key();
    current_.assign(entity_key_of(key));
    if (version_of(key) > at_) {
      cursor_.seek(versioned(current_, at_));
      if (!cursor_.valid() || entity_key_of(cursor_.key()) != current_) continue;  // written only later
    }
    if (std::optional<StoredEntity> found = decode(version_of(cursor_.key()), cursor_.value())) return found;
    skip_versions();
  }
  NDB_RETURN_IF_ERROR(cursor_.status());
  return std::optional<StoredEntity>();
}

void put_version(KvStore::Batch& batch, std::string_view entity_key, Version version, Version create_time,
                 std::string_view entity) {
  std::string header;
  append_le(header, static_cast<std::uint64_t>(create_time));
  batch.put(versioned(entity_key, version), header, entity);
}

void put_tombstone(KvStore::Batch& batch, std::string_view entity_key, Version version) {
  batch.put(versioned(entity_key, version), "");
}

}  // namespace ndb::local
