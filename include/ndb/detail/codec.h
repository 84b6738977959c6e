// Entity bytes and properties, table-driven: one row per property, one set of operations per C++ type, and functions of
// the library that walk the rows. Not for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ndb/key.h"
#include "ndb/value.h"

namespace ndb::detail {

class Table;

// Writes google.datastore.v1.Value and Entity messages back to front, so that every length is known when it is written.
// After the first error nothing it holds is of use; the path to the offending property is collected on the way out.
class Encoder {
 public:
  Encoder() : at_(small_ + sizeof small_), end_(at_) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // One Value each, without its tag and length.
  void null(bool indexed);
  void boolean(bool value, bool indexed);
  void integer(std::int64_t value, bool indexed);
  void unsigned_integer(std::uint64_t value, bool indexed);  // refused above the largest int64
  void number(double value, bool indexed);
  void timestamp(Timestamp value, bool indexed);
  void key(const Key& value, bool indexed);  // no key is null
  void string(std::string_view value, bool indexed);
  void blob(std::string_view value, bool indexed);
  void geo_point(GeoPoint value, bool indexed);
  void structure(const Table& table, const void* object, bool indexed);
  void value(const Value& value, bool indexed = true);

  // An array: its elements last to first, each written as a Value and closed by element(), then array().
  std::size_t size() const { return static_cast<std::size_t>(end_ - at_); }  // of all that was written
  void element(std::size_t size_before) { close(size_before, kElement); }
  void array(std::size_t size_before) { close(size_before, kArray); }

  // Parts of an Entity: its properties last to first, each a Value closed by property(), then the key.
  void properties(const Table& table, const void* object);
  void properties(const std::map<std::string, Value, std::less<>>& properties);
  void property(std::size_t size_before, std::string_view name);
  void entity_key(const Key& key);

  void fail(std::string message);
  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }
  const std::string& path() const { return path_; }  // of the property that failed: "home.city"
  std::string_view bytes() const { return {at_, size()}; }

 private:
  static constexpr std::uint32_t kElement = 10, kArray = 74;  // tags: ArrayValue.values, Value.array_value

  char* claim(std::size_t room);  // in front of what was written
  void grow(std::size_t room);
  void varint(std::uint64_t value);
  void raw(std::string_view bytes);
  void fixed64(double value);
  void exclude(bool indexed);
  void meaning();
  void close(std::size_t size_before, std::uint32_t tag);
  template <class WriteProperties>
  void entity(bool indexed, const WriteProperties& write_properties);
  void within(std::string_view name);
  void check_size(std::string_view what, std::size_t size, bool indexed);

  char small_[1024];
  std::unique_ptr<char[]> large_;
  char* begin_ = small_;
  char* at_;
  char* end_;
  int depth_ = 0;
  int unindexed_depth_ = 0;  // > 0: inside an entity value that is not indexed, so neither is anything in it
  int meaning_ = 0;          // of the Value about to be written
  std::string error_, path_;
};

// One Value, taken apart. Views point into the bytes that are decoded.
struct WireValue {
  ValueType type = ValueType::kNull;
  bool indexed = true;
  int meaning = 0;
  std::int64_t integer = 0;  // of a boolean, int64 or timestamp (microseconds)
  GeoPoint point{};          // a double is in `latitude`
  std::string_view bytes{};  // of all others
};

// Where a decoding is, and what went wrong.
class Decoder {
 public:
  // Each notes the error and returns false.
  bool wrong_type(std::string_view wanted, const WireValue& got);
  bool fail(std::string message);
  bool malformed();

  bool parse(std::string_view bytes, WireValue& value);
  bool structure(const Table& table, const WireValue& value, void* object);
  bool properties(const Table& table, std::string_view entity, void* object);
  bool value(const WireValue& wire, Value& value);
  bool properties(std::string_view entity, std::map<std::string, Value, std::less<>>& properties);

  // The error as it is shown for an entity of `key`, or for a value alone.
  absl::Status status(std::string_view kind, const Key& key) const;

 private:
  static constexpr int kMaxDepth = 64;  // the Datastore allows 20

  void within(std::string_view name);

  std::string error_, path_;
  bool malformed_ = false;
  int depth_ = 0;
};

// The elements of an array_value; `at end` and `malformed` both end the loop, and only the former is ok().
class ArrayReader {
 public:
  ArrayReader(Decoder& decoder, const WireValue& array) : decoder_(decoder), rest_(array.bytes) {}
  bool next(WireValue& element);
  bool ok() const { return ok_; }

 private:
  Decoder& decoder_;
  std::string_view rest_;
  bool ok_ = true;
};

// What can be done with a field of some C++ type that is only known by its address.
struct TypeOps {
  void (*encode)(Encoder& out, const void* value, bool indexed);
  bool (*decode)(Decoder& in, const WireValue& wire, void* value);
  std::size_t (*heap_bytes)(const void* value);  // beyond sizeof, about
};

// A property of an aggregate. A computed one has `compute` instead of `ops`, and is never decoded.
struct Row {
  std::string_view name;
  std::ptrdiff_t offset = 0;
  const TypeOps* ops = nullptr;
  void (*compute)(Encoder& out, const void* object, bool indexed) = nullptr;
  bool indexed = true;
  void (*stamp)(void* field, Timestamp now) = nullptr;  // of auto_now and auto_now_add
};

// The properties of an aggregate: its own first, in the order of their list, behind those of its base.
class Table {
 public:
  explicit Table(std::vector<Row> rows);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  std::span<const Row> rows() const { return rows_; }
  const Row* find(std::string_view name) const;  // null if there is none
  void stamp(void* object, Timestamp now) const;
  std::size_t heap_bytes(const void* object) const;

 private:
  std::vector<Row> rows_;
  std::vector<const Row*> by_name_;
};

}  // namespace ndb::detail
