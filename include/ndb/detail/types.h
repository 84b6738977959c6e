// The C++ types that a property can have: Codec<T> for each, and the table rows made of them. Not for users.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/codec.h"
#include "ndb/detail/names.h"
#include "ndb/key.h"
#include "ndb/property_options.h"
#include "ndb/value.h"

namespace ndb::detail {

template <class...>
inline constexpr bool kNever = false;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;

// The operand type of a filter on the property: the element of a repeated one, the value of an optional one.
template <class T>
struct Element {
  using type = T;
};
template <class T>
struct Element<std::optional<T>> : Element<T> {};
template <class T>
struct Element<std::vector<T>> : Element<T> {};

// A struct with NDB_PROPERTIES.
template <class T>
concept Structured = requires { T::ndb_fields(); };
template <Structured T>
const Table& struct_table();

inline std::size_t string_heap(const std::string& s) { return s.capacity() > 15 ? s.capacity() + 1 : 0; }

// Each has `Stored` (as what a filter sends it; void if it cannot), kIndexed, kShape, encode and decode.
template <class T>
struct Codec {
  static_assert(
      kNever<T>,
      "ndb: this type cannot be a property. Use bool, an integer, float, double, std::string, ndb::Text, "
      "ndb::Blob, ndb::Json, ndb::GeoPoint, ndb::Timestamp, ndb::Date, ndb::TimeOfDay, ndb::Key, ndb::Value, an "
      "enum class, std::optional<T>, std::vector<T>, or a struct with NDB_PROPERTIES.");
};

template <class S, Shape ItsShape = Shape::kNatural, bool Indexed = true>
struct Scalar {
  using Stored = S;
  static constexpr bool kIndexed = Indexed;
  static constexpr Shape kShape = ItsShape;
  static std::size_t heap_bytes(const auto&) { return 0; }
};

template <>
struct Codec<bool> : Scalar<bool> {
  static void encode(Encoder& out, bool v, bool indexed) { out.boolean(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, bool& v) {
    if (wire.type == ValueType::kNull) return true;
    if (wire.type != ValueType::kBool) return in.wrong_type("bool", wire);
    v = wire.integer != 0;
    return true;
  }
};

template <std::integral T>
struct Codec<T> : Scalar<std::int64_t> {
  static void encode(Encoder& out, T v, bool indexed) {
    if constexpr (std::in_range<std::int64_t>(std::numeric_limits<T>::max())) {
      out.integer(static_cast<std::int64_t>(v), indexed);
    } else {
      out.unsigned_integer(v, indexed);
    }
  }
  static bool decode(Decoder& in, const WireValue& wire, T& v) {
    if (wire.type == ValueType::kNull) return true;
    if (wire.type != ValueType::kInt64) return in.wrong_type("an integer", wire);
    if (!std::in_range<T>(wire.integer)) {
      return in.fail("is stored as " + std::to_string(wire.integer) + ", which does not fit into " +
                     (std::is_signed_v<T> ? "a signed" : "an unsigned") + " integer of " +
                     std::to_string(8 * sizeof(T)) + " bits");
    }
    v = static_cast<T>(wire.integer);
    return true;
  }
};

// An enumerator and the name that it is stored under: what NDB_ENUM lists.
template <class E>
struct Enumerator {
  E value;
  std::string_view name;
};
template <class E>
constexpr Enumerator<E> enumerator(E value, std::string_view own_name, const EnumeratorOptions& options) {
  return {value, options.name.empty() ? own_name : options.name};
}

template <class E>
concept Enum = std::is_enum_v<E>;
template <class E>
concept NamedEnum = Enum<E> && requires(E value) { ndb_enum_names(value); };

// The numbers of an enumeration without names. One that no enumerator has is kept.
template <Enum E>
struct Codec<E> : Scalar<E> {
  static_assert(
      requires { E{0}; }, "ndb: an enumeration needs a type to be a property: enum class E, or enum E : int.");
  using Number = std::underlying_type_t<E>;
  static Value value(E v) { return Value(static_cast<Number>(v)); }
  static void encode(Encoder& out, E v, bool indexed) { Codec<Number>::encode(out, static_cast<Number>(v), indexed); }
  static bool decode(Decoder& in, const WireValue& wire, E& v) {
    auto number = static_cast<Number>(v);
    if (!Codec<Number>::decode(in, wire, number)) return false;
    v = static_cast<E>(number);
    return true;
  }
};

template <std::size_t N, class E>
consteval bool names_differ(const std::array<Enumerator<E>, N>& all) {
  for (std::size_t i = 0; i < N; ++i) {
    if (all[i].name.empty()) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (all[i].name == all[j].name || all[i].value == all[j].value) return false;
    }
  }
  return true;
}

// BadValueError: a filter compares with a value that NDB_ENUM does not list.
[[noreturn]] void refuse_unlisted(std::string_view enumeration, std::int64_t number);
std::string unlisted(std::string_view enumeration, std::int64_t number);  // the same, as a message

template <NamedEnum E>
struct Codec<E> : Scalar<E> {
  static constexpr auto kAll = ndb_enum_names(E());
  static_assert(names_differ(kAll), "ndb: NDB_ENUM lists each value once, and no name twice.");
  static Value value(E v) {
    if (const auto* one = find(v)) return Value(one->name);
    refuse_unlisted(class_name<E>(), static_cast<std::int64_t>(v));
  }
  static void encode(Encoder& out, E v, bool indexed) {
    if (const auto* one = find(v)) {
      out.string(one->name, indexed);
    } else {
      out.fail(unlisted(class_name<E>(), static_cast<std::int64_t>(v)));
    }
  }
  static bool decode(Decoder& in, const WireValue& wire, E& v) {
    if (wire.type == ValueType::kNull) return true;
    if (wire.type != ValueType::kString) return in.wrong_type("an enumeration with names", wire);
    std::string names;
    for (const Enumerator<E>& one : kAll) {
      if (one.name == wire.bytes) {
        v = one.value;
        return true;
      }
      names += (names.empty() ? "" : ", ") + std::string(one.name);
    }
    return in.fail("is stored as " + Value(wire.bytes).to_string() + ", which is none of the names of " +
                   std::string(class_name<E>()) + ": " + names);
  }

 private:
  static constexpr const Enumerator<E>* find(E v) {
    for (const Enumerator<E>& one : kAll) {
      if (one.value == v) return &one;
    }
    return nullptr;
  }
};

// Whether a number is one that a float or double T can be: an integer exactly, any other within T's range. Its digits
// are rounded as always.
template <std::floating_point T, class N>
constexpr bool fits_floating(N number) {
  if constexpr (std::integral<N>) {
    constexpr T kEnd = static_cast<T>(std::uint64_t{1} << (std::numeric_limits<N>::digits - 1)) * 2;  // beyond all N
    const T rounded = static_cast<T>(number);
    return rounded < kEnd && static_cast<N>(rounded) == number;
  } else {
    constexpr N kInfinity = std::numeric_limits<N>::infinity();
    constexpr N kLargest = std::numeric_limits<T>::max();
    return !((number > kLargest && number != kInfinity) || (number < -kLargest && number != -kInfinity));
  }
}

template <class T>
  requires std::same_as<T, float> || std::same_as<T, double>
struct Codec<T> : Scalar<double, Shape::kNumber> {
  static void encode(Encoder& out, T v, bool indexed) { out.number(static_cast<double>(v), indexed); }
  static bool decode(Decoder& in, const WireValue& wire, T& v) {
    if (wire.type == ValueType::kNull) return true;
    // Clients in languages with one number type store 2.0 as the integer 2.
    if (wire.type == ValueType::kInt64) {
      if (!fits_floating<T>(wire.integer)) return unfit(in, std::to_string(wire.integer));
      v = static_cast<T>(wire.integer);
      return true;
    }
    if (wire.type != ValueType::kDouble) return in.wrong_type("double", wire);
    if constexpr (std::same_as<T, float>) {
      if (!fits_floating<T>(wire.point.latitude)) return unfit(in, Value(wire.point.latitude).to_string());
    }
    v = static_cast<T>(wire.point.latitude);
    return true;
  }

 private:
  static bool unfit(Decoder& in, const std::string& stored) {
    return in.fail("is stored as " + stored + ", which a " + (std::same_as<T, float> ? "float" : "double") +
                   " cannot hold; declare it as ndb::Value" + (std::same_as<T, float> ? " or double" : ""));
  }
};

// Its entries are properties; it is none itself.
template <>
struct Codec<Expando> : Scalar<void> {};

// Strings and bytes. NDB reads a blob as a string; a projection gives bytes as a string.
template <>
struct Codec<std::string> : Scalar<std::string> {
  static void encode(Encoder& out, const std::string& v, bool indexed) { out.string(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, std::string& v) {
    return wire.type == ValueType::kNull || in.characters(wire, v, "std::string");
  }
  static std::size_t heap_bytes(const std::string& v) { return string_heap(v); }
};
template <>
struct Codec<Text> : Scalar<std::string, Shape::kNatural, false> {
  static void encode(Encoder& out, const Text& v, bool) { out.text(v); }
  static bool decode(Decoder& in, const WireValue& wire, Text& v) {
    return wire.type == ValueType::kNull || in.characters(wire, v, "ndb::Text");
  }
  static std::size_t heap_bytes(const Text& v) { return string_heap(v); }
};
template <>
struct Codec<Blob> : Scalar<Blob, Shape::kBytes, false> {
  static void encode(Encoder& out, const Blob& v, bool) { out.blob(v, false); }
  static bool decode(Decoder& in, const WireValue& wire, Blob& v) {
    return wire.type == ValueType::kNull || in.characters(wire, v, "ndb::Blob");
  }
  static std::size_t heap_bytes(const Blob& v) { return string_heap(v); }
};
template <>
struct Codec<Json> : Scalar<Json, Shape::kJson, false> {
  // No text is not JSON: it stands for an unset property.
  static void encode(Encoder& out, const Json& v, bool) { v.text.empty() ? out.null(false) : out.blob(v.text, false); }
  static bool decode(Decoder& in, const WireValue& wire, Json& v) {
    return wire.type == ValueType::kNull || in.characters(wire, v.text, "ndb::Json");
  }
  static std::size_t heap_bytes(const Json& v) { return string_heap(v.text); }
};

template <>
struct Codec<Timestamp> : Scalar<Timestamp, Shape::kTime> {
  static void encode(Encoder& out, Timestamp v, bool indexed) { out.timestamp(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, Timestamp& v) {
    if (wire.type == ValueType::kNull) return true;
    // A projection gives a time as its microseconds.
    if (wire.type != ValueType::kTimestamp && wire.type != ValueType::kInt64) {
      return in.wrong_type("ndb::Timestamp", wire);
    }
    v = Timestamp(std::chrono::microseconds(wire.integer));
    return true;
  }
};

template <>
struct Codec<Date> : Scalar<Timestamp, Shape::kDay> {
  static void encode(Encoder& out, Date v, bool indexed) { out.timestamp(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, Date& v) {
    Timestamp time = v;
    if (!Codec<Timestamp>::decode(in, wire, time)) return false;
    v = std::chrono::floor<std::chrono::days>(time);
    return time == v ||
           in.fail("is declared as ndb::Date, but " + Value(time).to_string() + " is not the first moment of a day");
  }
};
template <>
struct Codec<TimeOfDay> : Scalar<Timestamp, Shape::kTimeOfDay> {
  static void encode(Encoder& out, TimeOfDay v, bool indexed) { out.time_of_day(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, TimeOfDay& v) {
    Timestamp time(v.since_midnight);
    if (!Codec<Timestamp>::decode(in, wire, time)) return false;
    v.since_midnight = time.time_since_epoch();
    return is_time_of_day(v) ||
           in.fail("is declared as ndb::TimeOfDay, but " + Value(time).to_string() + " is not of 1970-01-01");
  }
};

template <>
struct Codec<GeoPoint> : Scalar<GeoPoint, Shape::kPoint> {
  static void encode(Encoder& out, GeoPoint v, bool indexed) { out.geo_point(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, GeoPoint& v) {
    if (wire.type == ValueType::kNull) return true;
    if (wire.type != ValueType::kGeoPoint) return in.wrong_type("ndb::GeoPoint", wire);
    v = wire.point;
    return true;
  }
};

template <>
struct Codec<Key> : Scalar<Key, Shape::kReference> {
  static void encode(Encoder& out, const Key& v, bool indexed) { out.key(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, Key& v) {
    if (wire.type == ValueType::kNull) return true;
    if (wire.type != ValueType::kKey) return in.wrong_type("ndb::Key", wire);
    if (!in.charge(Budget::kKey)) return false;
    auto key = Key::from_bytes(wire.bytes);
    if (!key.ok()) return in.malformed();
    v = *std::move(key);
    return true;
  }
  static std::size_t heap_bytes(const Key& v) { return v.bytes().size(); }
};

// A value of any type in a model class.
template <>
struct Codec<Value> : Scalar<Value, Shape::kAny> {
  static void encode(Encoder& out, const Value& v, bool indexed) { out.value(v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, Value& v) { return in.value(wire, v); }
};

template <Structured T>
struct Codec<T> : Scalar<void, Shape::kStruct> {
  static void encode(Encoder& out, const T& v, bool indexed) { out.structure(struct_table<T>(), &v, indexed); }
  static bool decode(Decoder& in, const WireValue& wire, T& v) {
    if (wire.type == ValueType::kNull) return true;
    v = T{};
    return in.structure(struct_table<T>(), wire, &v);
  }
  static std::size_t heap_bytes(const T& v) { return struct_table<T>().heap_bytes(&v); }
};

template <class T>
struct Codec<std::optional<T>> : Codec<T> {
  static_assert(!kIsOptional<T>, "ndb: an optional of an optional cannot be a property; the Datastore has one null.");
  static void encode(Encoder& out, const std::optional<T>& v, bool indexed) {
    if (v) {
      Codec<T>::encode(out, *v, indexed);
    } else {
      out.null(indexed && Codec<T>::kIndexed);
    }
  }
  static bool decode(Decoder& in, const WireValue& wire, std::optional<T>& v) {
    v.reset();
    return wire.type == ValueType::kNull || Codec<T>::decode(in, wire, v.emplace());
  }
  static std::size_t heap_bytes(const std::optional<T>& v) { return v ? Codec<T>::heap_bytes(*v) : 0; }
};

template <class T>
struct Codec<std::vector<T>> : Codec<T> {
  static_assert(!kIsVector<typename std::conditional_t<kIsOptional<T>, T, std::optional<T>>::value_type>,
                "ndb: a vector of vectors cannot be a property; the Datastore has no arrays inside arrays.");
  static void encode(Encoder& out, const std::vector<T>& v, bool indexed) {
    const std::size_t before = out.size();
    for (auto it = v.rbegin(); it != v.rend(); ++it) {
      const std::size_t element_before = out.size();
      out.charge(Budget::element<T>());
      Codec<T>::encode(out, *it, indexed);
      out.element(element_before);
    }
    out.array(before);
  }
  static bool decode(Decoder& in, const WireValue& wire, std::vector<T>& v) {
    v.clear();
    if (wire.type == ValueType::kNull) return true;
    // A property that became repeated later, or one of its values in a projection.
    if (wire.type != ValueType::kArray) return decode_element(in, wire, v);
    ArrayReader elements(in, wire);
    for (WireValue element; elements.next(element);) {
      if (!decode_element(in, element, v)) return false;
    }
    return elements.ok();
  }
  static std::size_t heap_bytes(const std::vector<T>& v) {
    std::size_t sum = std::same_as<T, bool> ? v.capacity() / 8 : v.capacity() * sizeof(T);
    for (const T& element : v) sum += Codec<T>::heap_bytes(element);
    return sum;
  }

 private:
  static bool decode_element(Decoder& in, const WireValue& wire, std::vector<T>& v) {
    if (!in.charge(Budget::element<T>())) return false;
    if constexpr (std::same_as<T, bool>) {  // its elements have no address
      bool element = false;
      if (!Codec<bool>::decode(in, wire, element)) return false;
      v.push_back(element);
      return true;
    } else {
      return Codec<T>::decode(in, wire, v.emplace_back());
    }
  }
};

// A field's way to its structs.
template <class Field>
struct Structs;
template <Structured T>
struct Structs<T> {
  using Struct = T;
  static std::size_t size(const void*) { return 1; }
  static const void* at(const void* field, std::size_t) { return field; }
  static void* reach(void* field, std::size_t) { return field; }
};
template <Structured T>
struct Structs<std::optional<T>> {
  using Struct = T;
  static std::size_t size(const void* field) { return static_cast<const std::optional<T>*>(field)->has_value(); }
  static const void* at(const void* field, std::size_t) { return &**static_cast<const std::optional<T>*>(field); }
  static void* reach(void* field, std::size_t) {
    auto& value = *static_cast<std::optional<T>*>(field);
    return value ? &*value : &value.emplace();
  }
};
template <class E>
  requires Structured<typename Element<E>::type>
struct Structs<std::vector<E>> {
  using Struct = typename Element<E>::type;
  static std::size_t size(const void* field) { return static_cast<const std::vector<E>*>(field)->size(); }
  static const void* at(const void* field, std::size_t i) {
    const E& element = (*static_cast<const std::vector<E>*>(field))[i];
    return Structs<E>::size(&element) != 0 ? Structs<E>::at(&element, 0) : nullptr;
  }
  static void* reach(void* field, std::size_t i) {
    auto& elements = *static_cast<std::vector<E>*>(field);
    while (elements.size() <= i) Structs<E>::reach(&elements.emplace_back(), 0);
    return Structs<E>::reach(&elements[i], 0);
  }
};
template <class Field>
inline constexpr StructOps kStructOps{.table = &struct_table<typename Structs<Field>::Struct>,
                                      .repeated = kIsVector<Field>,
                                      .size = &Structs<Field>::size,
                                      .at = &Structs<Field>::at,
                                      .reach = &Structs<Field>::reach,
                                      .bytes = Budget::element<typename Structs<Field>::Struct>()};
template <class Field>
consteval const StructOps* struct_ops() {
  if constexpr (Structured<typename Element<Field>::type>) {
    return &kStructOps<Field>;
  } else {
    return nullptr;
  }
}

// One set of operations per C++ type, whatever the number of properties that have it.
template <class T>
inline constexpr TypeOps kOps{
    .encode = [](Encoder& out, const void* v,
                 bool indexed) { Codec<T>::encode(out, *static_cast<const T*>(v), indexed); },
    .decode = [](Decoder& in, const WireValue& wire,
                 void* v) { return Codec<T>::decode(in, wire, *static_cast<T*>(v)); },
    .heap_bytes = [](const void* v) { return Codec<T>::heap_bytes(*static_cast<const T*>(v)); },
    .shape = Codec<T>::kShape,
    .repeated = kIsVector<T>,
    .structs = struct_ops<T>(),
};

}  // namespace ndb::detail
