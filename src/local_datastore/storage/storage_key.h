// The encoding of keys of entities as keys of the store, which memcmp orders as the Datastore orders keys.
//
//   partition  project, database, namespace, each as escaped text
//   path       per element 01, kind as escaped text, then 02 and the id (8 bytes, big-endian, sign flipped) or 03 and
//   the name as
//              escaped text; at the end 00, so that a path sorts before its extensions
//   escaped    00 becomes 00 FF, and 00 01 ends the text
//
//   D partition path                      an entity
//   K partition kind path                 there is an entity of this kind: the index of the kind
//   I partition kind property value path  an entry of the index of a property; the value is as in index_value.h
//   R partition path                      an id that is never allocated
//   G version                             what this commit made obsolete
//   M name                                the store's own numbers
//
// D, K and I are rows with a history: their versions follow the key (8 bytes, big-endian, inverted: the newest comes
// first).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "google/datastore/v1/entity.pb.h"
#include "local_datastore/version.h"

namespace ndb::local {

namespace v1 = google::datastore::v1;

void append_escaped(std::string& out, std::string_view text);
void append_big_endian(std::string& out, std::uint64_t number);
std::uint64_t load_big_endian(std::string_view eight_bytes);

std::string encode_partition(const v1::PartitionId& partition);

// The path without its end: the common prefix of this entity and all its descendants.
std::string encode_path_prefix(const v1::Key& key);
// The key's path; the last element must be complete.
std::string encode_path(const v1::Key& key);

// The keys of the store for one key.
struct StorageKey {
  explicit StorageKey(const v1::Key& key);

  std::string partition;
  std::string path;
  std::string kind;

  std::string entity() const;       // D partition path
  std::string kind_member() const;  // K partition kind path
  std::string reserved() const;     // R partition path
};

// The key prefixes of the entities of a partition, of the members of a kind, and of the index of a property.
std::string entities_of(std::string_view partition);
std::string members_of(std::string_view partition, std::string_view kind);
std::string index_of(std::string_view partition, std::string_view kind, std::string_view property);

// Which of these prefixes the key of a row has; for other keys the first letter.
std::string_view prefix_of(std::string_view key);

// The inverse of encode_path(); false if `path` is not valid.
bool decode_path(std::string_view path, v1::Key& key);
// Removes escaped text from the front; false if there is none.
bool take_escaped(std::string_view& in, std::string& out);

// The first key after all keys with this prefix.
std::string after_prefix(std::string_view prefix);

// A key after all versions of this row and before all other rows, none of which begins with it.
std::string after_row(std::string_view row);

inline void append_version(std::string& out, Version version) {
  append_big_endian(out, ~static_cast<std::uint64_t>(version.micros()));
}
inline Version load_version(std::string_view eight_bytes) {
  return Version(static_cast<std::int64_t>(~load_big_endian(eight_bytes)));
}
inline constexpr std::size_t kVersionSize = 8;

}  // namespace ndb::local
