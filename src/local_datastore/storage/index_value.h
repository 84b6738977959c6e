// The encoding of values in indexes: memcmp orders the encodings as the Datastore orders values, across types too.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The first byte of an encoded value.
inline constexpr char kIndexNull = 0x10;
inline constexpr char kIndexFixedPoint = 0x20;  // an integer, or a timestamp
inline constexpr char kIndexBoolean = 0x30;
inline constexpr char kIndexBytes = 0x40;  // a string, or a blob
inline constexpr char kIndexDouble = 0x50;
inline constexpr char kIndexGeoPoint = 0x60;
inline constexpr char kIndexKey = 0x70;

// A byte for the type, then the value: null < integers and timestamps (as microseconds) < booleans < blobs and strings
// < doubles (NaN last) < geo points < keys. No encoding is a prefix of another, so they can be joined. The value must
// not be an array or entity.
void append_index_value(std::string& out, const v1::Value& value);
void append_index_key(std::string& out, const v1::Key& key);
std::string index_value(const v1::Value& value);
std::string index_key(const v1::Key& key);

// The common prefix of index_key() of all keys of a partition.
std::string index_keys_of(std::string_view partition);

// Values with encodings in [begin, end). A list of intervals can express `less than`, `not`, `between`.
struct Interval {
  std::string begin;
  std::string end;
  bool contains(std::string_view encoded) const { return begin <= encoded && encoded < end; }
};
using Intervals = std::vector<Interval>;  // in order, without overlaps

Interval below(const std::string& encoded, bool inclusive);
Interval above(const std::string& encoded, bool inclusive);
Interval everything();
Intervals all_but(const std::set<std::string>& encoded);
Intervals intersect(const Intervals& a, const Intervals& b);
bool contains(const Intervals& intervals, std::string_view encoded);

// The position of an interval's bound among keys of the store: bounds are values, or positions right after a value.
std::string index_bound(std::string_view index, std::string_view bound);  // among rows of a property's index
std::string path_bound(std::string_view prefix, std::string_view bound);  // of keys, among rows that end in a path

// The index entries of one entity: per property its distinct values in their order. Each element of an array has an
// entry, properties of nested entities are named `a.b`; what is not indexed has no entry. The pointers are valid as
// long as the entity.
struct IndexEntry {
  std::string encoded;
  const v1::Value* value;     // nullptr: the key of a nested entity,
  const v1::Key* nested_key;  // which is here
  v1::Value copy() const;
};
using IndexEntries = std::map<std::string, std::vector<IndexEntry>, std::less<>>;

// The entries of these properties, or of all.
IndexEntries index_entries(const v1::Entity& entity, const std::set<std::string, std::less<>>& names);
IndexEntries index_entries(const v1::Entity& entity);

// The rows of the store that lead to an entity, and their values: one for its kind, and one per index entry.
using IndexRows = std::map<std::string, std::string>;
IndexRows index_rows(const v1::Entity& entity, const StorageKey& where);

// The content of a row of a property's index, without the key prefix of the index.
struct IndexRow {
  std::string_view encoded{};  // the value
  std::string_view path{};     // encode_path() of the entity
  int type = 0;                // v1::Value::ValueTypeCase, because some types have the same encoding
  bool only = false;           // the entity has no other value of the property
};
// False if the row is damaged.
bool parse_index_row(std::string_view rest_of_key, std::string_view value, IndexRow& row);
// The value in the form of projections; false if it is damaged.
bool decode_index_value(const IndexRow& row, v1::Value& value);

}  // namespace ndb::local
