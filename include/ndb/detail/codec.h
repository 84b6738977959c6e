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
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ndb/key.h"
#include "ndb/value.h"

namespace ndb::detail {

class Table;
struct PropertyRow;

// The part of a stored entity that its class does not know: fields of google.datastore.v1.Entity as they were stored
// (properties, and of an embedded entity the key). Kept beside the values that were read, and written back with them.
class Unknown {
 public:
  constexpr Unknown() = default;
  Unknown(const Unknown& other) : fields_(other.fields_ != nullptr ? new std::string(*other.fields_) : nullptr) {}
  Unknown(Unknown&& other) noexcept : fields_(std::exchange(other.fields_, nullptr)) {}
  Unknown& operator=(Unknown other) noexcept {
    std::swap(fields_, other.fields_);
    return *this;
  }
  constexpr ~Unknown() { delete fields_; }

  std::string_view fields() const { return fields_ != nullptr ? std::string_view(*fields_) : std::string_view(); }
  void append(std::string_view field) {
    if (fields_ == nullptr) fields_ = new std::string();
    fields_->append(field);
  }
  std::size_t heap_bytes() const { return fields_ != nullptr ? sizeof(std::string) + fields_->capacity() : 0; }
  friend bool operator==(const Unknown& a, const Unknown& b) { return a.fields() == b.fields(); }

 private:
  std::string* fields_ = nullptr;  // one pointer, since every payload and every struct inside one has it
};

// How the values of a property are written, beyond their type.
enum class Storage : std::uint8_t {
  kPlain,
  kCompressed,  // zlib, meaning 22
  kLocal,       // of a struct: never indexed; as the bytes of its Entity, or as an entity in NDB's older layout
  kCompressedLocal
};
constexpr bool is_compressed(Storage s) { return s == Storage::kCompressed || s == Storage::kCompressedLocal; }
constexpr bool is_local(Storage s) { return s == Storage::kLocal || s == Storage::kCompressedLocal; }

// How structs are written: as entities; as google-cloud-ndb writes them with legacy_data, each field as a property with
// a dotted name; or plainly, for the eye: as entities, and nothing is compressed or turned into bytes.
enum class Layout : std::uint8_t { kNewer, kOlder, kPlain };

constexpr bool is_time_of_day(TimeOfDay t) {
  return t.since_midnight >= std::chrono::microseconds(0) && t.since_midnight < std::chrono::days(1);
}

// The memory that decoding one entity may take beyond the bytes that it is stored as. Few bytes can expand to many:
// compressed data inflates a thousandfold, and an element of an array may be two bytes. Decoding stops when the budget
// is used up, and encoding refuses an entity that could not be decoded again.
class Budget {
 public:
  static constexpr std::size_t kBytes = std::size_t{64} << 20;      // for an entity
  static constexpr std::size_t kBatchBytes = std::size_t{1} << 30;  // for all entities that are read in one batch

  // Estimates of memory. An element of an array takes its sizeof, and at least kElement.
  static constexpr std::size_t kElement = 16, kKey = 256, kEntity = 192, kProperty = 160, kUnknown = 64;
  template <class T>
  static constexpr std::size_t element() {
    return sizeof(T) > kElement ? sizeof(T) : kElement;
  }

  explicit Budget(std::size_t bytes = kBytes) : left_(bytes) {}

  // False: they are more than what is left.
  bool take(std::size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
};

// Writes google.datastore.v1.Value and Entity messages back to front, so that every length is known when it is written.
// After the first error nothing it holds is of use; the path to the offending property is collected on the way out.
class Encoder {
 public:
  Encoder() : at_(small_ + sizeof small_), end_(at_) {}
  explicit Encoder(Layout layout) : Encoder() { layout_ = layout; }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // One Value each, without its tag and length.
  void null(bool indexed);
  void boolean(bool value, bool indexed);
  void integer(std::int64_t value, bool indexed);
  void unsigned_integer(std::uint64_t value, bool indexed);  // refused above the largest int64
  void number(double value, bool indexed);
  void timestamp(Timestamp value, bool indexed);
  void time_of_day(TimeOfDay value, bool indexed);
  void key(const Key& value, bool indexed);  // no key is null
  void string(std::string_view value, bool indexed);
  void text(std::string_view value);  // not indexed; compressed if the row says so
  void blob(std::string_view value, bool indexed);
  void geo_point(GeoPoint value, bool indexed);
  void structure(const Table& table, const void* object, bool indexed);
  void value(const Value& value, bool indexed = true);

  // An array: its elements last to first, each written as a Value and closed by element(), then array().
  std::size_t size() const { return static_cast<std::size_t>(end_ - at_); }  // of all that was written
  void charge(std::size_t bytes) {  // what is written takes so much when it is read; see Budget
    if (!budget_.take(bytes)) [[unlikely]]
      over_budget();
  }
  void element(std::size_t size_before) { close(size_before, kElement); }
  void array(std::size_t size_before) { close(size_before, kArray); }

  // Parts of an Entity: its properties last to first, each a Value closed by property(), then the key.
  void properties(const Table& table, const void* object, const Unknown* unknown);
  void properties(const std::map<std::string, Value, std::less<>>& properties, bool indexed = true);
  void property(std::size_t size_before, std::string_view name);
  void entity_key(const Key& key);

  void fail(std::string message);
  void over_budget();
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
  template <class WriteProperties>
  void write_entity(bool indexed, const WriteProperties& write_properties);
  void compressed(std::string_view value);
  void check_utf8(std::string_view value);
  void property(const PropertyRow& row, const void* object);
  void columns(const PropertyRow& row, const void* field, bool indexed);
  void columns(const Table& table, std::span<const void* const> objects, bool repeated, bool indexed);
  void column(const PropertyRow& row, std::span<const void* const> objects, bool repeated, bool indexed);
  void unknown_columns(const Table& table, std::span<const void* const> objects, bool repeated);
  void within(std::string_view name);
  void check_size(std::string_view what, std::size_t size, bool indexed);

  char small_[1024];
  std::unique_ptr<char[]> large_;
  char* begin_ = small_;
  char* at_;
  char* end_;
  int depth_ = 0;
  int unindexed_depth_ = 0;            // > 0: inside an entity value that is not indexed, so neither is anything in it
  int meaning_ = 0;                    // of the Value about to be written
  Storage storage_ = Storage::kPlain;  // of the property about to be written
  Layout layout_ = Layout::kNewer;
  Budget budget_;
  std::string prefix_;  // of the names of properties: "home." while the fields of a dotted struct are written
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
  explicit Decoder(bool keep_unknown = true) : keep_unknown_(keep_unknown) {}

  // Each notes the error and returns false.
  bool wrong_type(std::string_view wanted, const WireValue& got);
  bool fail(std::string message);
  bool malformed();

  // Takes what is about to be decoded off the budget; false if it is more than what is left, which is an error.
  bool charge(std::size_t bytes) { return budget_.take(bytes) || over_budget(); }
  std::size_t charged() const { return Budget::kBytes - budget_.left(); }

  bool parse(std::string_view bytes, WireValue& value);
  // The characters of a string or blob, inflated if they are compressed.
  bool characters(const WireValue& value, std::string& into, std::string_view wanted) {
    if (value.type == ValueType::kString) [[likely]] {
      into.assign(value.bytes);
      return true;
    }
    return blob(value, into, wanted);
  }
  bool structure(const Table& table, const WireValue& value, void* object);
  bool properties(const Table& table, std::string_view entity, void* object, Unknown* unknown = nullptr);
  bool value(const WireValue& wire, Value& value);
  bool properties(std::string_view entity, std::map<std::string, Value, std::less<>>& properties);

  // The error as it is shown for an entity of `key`, or for a value alone.
  absl::Status status(std::string_view kind, const Key& key) const;

 private:
  static constexpr int kMaxDepth = 64;  // the Datastore allows 20

  bool over_budget();
  bool blob(const WireValue& value, std::string& into, std::string_view wanted);
  bool contents(const WireValue& blob, std::string& room, std::string_view& bytes, std::string_view wanted);
  bool property(const PropertyRow& row, std::string_view value, void* object);
  bool unlisted(const Table& table, std::string_view name, std::string_view value, void* object, Unknown* unknown);
  bool column(const PropertyRow& row, std::string_view name, std::string_view value, void* field);
  bool cell(const Table& table, std::string_view name, std::string_view value, void* object);
  void within(std::string_view name);

  std::string error_, path_;
  bool malformed_ = false;
  bool keep_unknown_;
  Storage storage_ = Storage::kPlain;  // of the property that is read
  int depth_ = 0;
  Budget budget_;
};

// The elements of an array_value; `at end` and `malformed` both end the loop, and only the former is ok().
class ArrayReader {
 public:
  ArrayReader(Decoder& decoder, const WireValue& array) : decoder_(decoder), rest_(array.bytes) {}
  bool next(WireValue& element);
  bool next(std::string_view& element);  // as bytes
  bool ok() const { return ok_; }

 private:
  Decoder& decoder_;
  std::string_view rest_;
  bool ok_ = true;
};

// The structs in a field: of a plain struct itself, of an optional one none or one, of a vector its elements.
struct StructOps {
  const Table& (*table)();
  bool repeated;
  std::size_t (*size)(const void* field);
  const void* (*at)(const void* field, std::size_t i);  // null for a null among the elements
  void* (*reach)(void* field, std::size_t i);           // makes it exist, and those before it
  std::size_t bytes;                                    // of one, as Budget counts them
};

// The form of a type's values in JSON. A kNatural value needs no tag.
enum class Shape : std::uint8_t {
  kNatural,
  kNumber,
  kBytes,
  kJson,
  kTime,
  kDay,
  kTimeOfDay,
  kReference,
  kPoint,
  kAny,
  kStruct
};

// What can be done with a field of some C++ type that is only known by its address.
struct TypeOps {
  void (*encode)(Encoder& out, const void* value, bool indexed);
  bool (*decode)(Decoder& in, const WireValue& wire, void* value);
  std::size_t (*heap_bytes)(const void* value);  // beyond sizeof, about
  Shape shape = Shape::kNatural;
  bool repeated = false;
  const StructOps* structs = nullptr;  // null if there are no structs in it
};

struct Checks;  // ndb/detail/checks.h

// A property of an aggregate. A computed one has `compute` instead of `ops`, and is never decoded.
struct PropertyRow {
  std::string_view name;
  std::ptrdiff_t offset = 0;
  const TypeOps* ops = nullptr;
  void (*compute)(Encoder& out, const void* object, bool indexed) = nullptr;
  bool indexed = true;
  Storage storage = Storage::kPlain;
  const Checks* checks = nullptr;  // what a put does with it first; often nothing
  std::string_view field{};        // its name in C++
};

// The properties of an aggregate: those of its base first, then its own in the order of their list. A row without ops
// and compute is an ndb::Expando: it takes the properties that have no row.
class Table {
 public:
  static constexpr std::ptrdiff_t kNone = -1;

  explicit Table(std::vector<PropertyRow> rows, std::ptrdiff_t unknown_offset = kNone);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  std::span<const PropertyRow> rows() const { return rows_; }
  // Each null if there is none. By the stored name, and by the name in C++.
  const PropertyRow* find(std::string_view name) const { return find(by_name_, &PropertyRow::name, name); }
  const PropertyRow* find_field(std::string_view field) const { return find(by_field_, &PropertyRow::field, field); }
  const PropertyRow* expando() const { return expando_; }
  std::size_t heap_bytes(const void* object) const;

  // Of a struct that keeps what it does not know; null otherwise.
  Unknown* unknown_of(void* object) const {
    return unknown_offset_ != kNone ? reinterpret_cast<Unknown*>(static_cast<char*>(object) + unknown_offset_)
                                    : nullptr;
  }
  const Unknown* unknown_of(const void* object) const { return unknown_of(const_cast<void*>(object)); }

 private:
  using Index = std::vector<const PropertyRow*>;  // in the order of one of their names
  static const PropertyRow* find(const Index& index, std::string_view PropertyRow::* name, std::string_view wanted);

  std::vector<PropertyRow> rows_;
  Index by_name_, by_field_;
  const PropertyRow* expando_ = nullptr;
  std::ptrdiff_t unknown_offset_;
};

// The memory of a map of values beyond its sizeof, estimated.
std::size_t heap_bytes_of(const std::map<std::string, Value, std::less<>>& properties);

inline const void* field_of(const PropertyRow& row, const void* object) {
  return static_cast<const char*>(object) + row.offset;
}
inline void* field_of(const PropertyRow& row, void* object) { return static_cast<char*>(object) + row.offset; }

}  // namespace ndb::detail
