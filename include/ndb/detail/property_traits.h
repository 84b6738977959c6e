// What the compiler knows of a property, and the filters and table rows that follow from it. Not for users.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/names.h"
#include "ndb/detail/types.h"
#include "ndb/filter.h"

namespace ndb {

// What may follow a field in NDB_MODEL and NDB_PROPERTIES: `(age, .name = "a", .indexed = false)`.
struct PropertyOptions {
  struct Name {
    static constexpr std::size_t kCapacity = 128;
    constexpr Name() = default;
    template <std::size_t N>
    constexpr Name(const char (&s)[N]) {
      static_assert(N <= kCapacity, "ndb: the stored name of a property has at most 127 bytes.");
      for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
    }
    char text[kCapacity] = {};
  };
  Name name{};                // stored under this name; default: the field's own
  bool indexed = true;        // false: queries cannot filter or sort by it
  bool auto_now = false;      // of a Timestamp: set to the time of every put
  bool auto_now_add = false;  // of a Timestamp: set by a put that finds it unset
};

template <auto Member, PropertyOptions Options, class Parent>
struct Property;
struct KeyProperty;
template <class... P>
struct Fields;

namespace detail {

template <class>
struct MemberOf;
template <class C, class T>
struct MemberOf<T C::*> {
  using Type = T;
  static constexpr bool kComputed = false;
};
template <class C, class T>
struct MemberOf<T (C::*)() const> {
  using Type = std::remove_cvref_t<T>;
  static constexpr bool kComputed = true;
};
template <class C, class T>
struct MemberOf<T (C::*)() const noexcept> : MemberOf<T (C::*)() const> {};

// The sub-properties of a structured property, as members.
template <class T, class Parent>
struct Columns {};
template <class T, class Parent>
  requires Structured<typename Element<T>::type>
struct Columns<T, Parent> : Element<T>::type::template ndb_columns<Parent> {};

template <class>
struct Traits;
template <class P>
concept IsProperty = requires { typename Traits<P>::Operand; };

template <auto M, PropertyOptions O, class Parent>
struct Traits<Property<M, O, Parent>> {
  using Type = typename MemberOf<decltype(M)>::Type;
  using Operand = typename Element<Type>::type;
  static constexpr auto kMember = M;
  static constexpr PropertyOptions kOptions = O;
  static constexpr bool kComputed = MemberOf<decltype(M)>::kComputed;
  static constexpr std::string_view name() {
    if constexpr (O.name.text[0] != 0) {
      return {O.name.text};  // a template parameter lives for ever
    } else {
      return member_name<M>();
    }
  }
  static constexpr bool indexed() {
    if constexpr (!std::is_void_v<Parent>) {
      if (!Traits<Parent>::indexed()) return false;
    }
    return O.indexed && Codec<Type>::kIndexed;
  }
  static std::string path() {
    if constexpr (std::is_void_v<Parent>) {
      return std::string(name());
    } else {
      return Traits<Parent>::path() + "." + std::string(name());
    }
  }
};

template <>
struct Traits<KeyProperty> {
  using Type = Key;
  using Operand = Key;
  static constexpr bool indexed() { return true; }
  static std::string path() { return "__key__"; }
};

// ---- Filters

template <class T>
concept Null = std::same_as<T, std::nullptr_t> || std::same_as<T, std::nullopt_t>;

// Whether a property of T may be compared with a V. Stricter than is_convertible: no bool as 1, no 2.5 as 2.
template <class T, class V>
consteval bool comparable() {
  if constexpr (Null<V>) {
    return true;
  } else if constexpr (std::same_as<T, Value>) {
    return std::is_convertible_v<const V&, Value>;
  } else if constexpr (kIsOptional<V>) {
    return comparable<T, typename V::value_type>();
  } else if constexpr (Structured<T>) {
    return false;
  } else if constexpr (std::same_as<T, bool> || std::same_as<V, bool>) {
    return std::same_as<T, V>;
  } else if constexpr (std::integral<T>) {
    return std::integral<V>;
  } else if constexpr (std::floating_point<T>) {
    return std::is_arithmetic_v<V>;
  } else if constexpr (std::derived_from<T, std::string>) {
    return std::is_convertible_v<const V&, std::string_view>;
  } else {
    return std::is_convertible_v<const V&, T>;
  }
}

template <class T, class V>
Value operand(const V& v) {
  if constexpr (Null<V>) {
    return {};
  } else if constexpr (std::same_as<T, Value>) {
    return v;
  } else if constexpr (kIsOptional<V>) {
    return v ? operand<T>(*v) : Value();
  } else if constexpr (std::integral<T>) {
    return Value(v);  // checks the range
  } else if constexpr (std::derived_from<T, std::string>) {
    return Value(typename Codec<T>::Stored(std::string_view(v)));
  } else {
    return Value(static_cast<typename Codec<T>::Stored>(v));
  }
}

template <class P, class V>
consteval bool check_filter() {
  constexpr bool indexed = Traits<P>::indexed();
  constexpr bool right_type = comparable<typename Traits<P>::Operand, V>();
  static_assert(indexed, "ndb: this property is not indexed, so a query cannot filter or sort by it.");
  static_assert(right_type,
                "ndb: a property is compared with a value of its own type, or with nullptr for null; a "
                "structured one by its sub-properties.");
  return indexed && right_type;
}

template <class P, class V>
Filter filter(Op op, const V& v) {
  using Given = std::decay_t<const V>;
  if constexpr (check_filter<P, Given>()) {
    return {Traits<P>::path(), op, operand<typename Traits<P>::Operand, Given>(v)};
  }
}

template <class P, class Range>
Filter filter_of_all(Op op, const Range& values) {
  using Given = std::decay_t<decltype(*std::begin(values))>;
  Array elements;
  if constexpr (check_filter<P, Given>()) {
    for (const auto& v : values) elements.push_back(operand<typename Traits<P>::Operand, Given>(v));
  }
  return {Traits<P>::path(), op, std::move(elements)};
}

template <class P>
Order order(bool descending) {
  static_assert(Traits<P>::indexed(), "ndb: this property is not indexed, so a query cannot filter or sort by it.");
  return {Traits<P>::path(), descending};
}

// ---- Checks of a list of properties

// The number of fields of an aggregate; a base class counts as one.
struct Any {
  template <class T>
  operator T() const {
    __builtin_unreachable();  // only in operands that are not evaluated
  }
};
template <class P, class... A>
consteval std::size_t field_count() {
  if constexpr (requires { P{A{}..., Any{}}; }) {
    return field_count<P, A..., Any>();
  } else {
    return sizeof...(A);
  }
}

template <class... P>
consteval std::size_t stored(Fields<P...>) {
  return (std::size_t{!Traits<P>::kComputed} + ... + 0);
}

template <class... P>
consteval bool any_stamp(Fields<P...>) {
  return ((Traits<P>::kOptions.auto_now || Traits<P>::kOptions.auto_now_add) || ... || false);
}

// Stored names: none twice, none with a dot (they separate sub-properties), none of the form __x__.
template <class... P>
consteval bool good_names(Fields<P...>) {
  constexpr std::size_t n = sizeof...(P);
  if constexpr (n > 0) {
    const std::string_view names[] = {Traits<P>::name()...};
    for (std::size_t i = 0; i < n; ++i) {
      if (names[i].find('.') != std::string_view::npos) return false;
      if (names[i].size() >= 4 && names[i].starts_with("__") && names[i].ends_with("__")) return false;
      for (std::size_t j = 0; j < i; ++j) {
        if (names[i] == names[j]) return false;
      }
    }
  }
  return true;
}

consteval bool free_name(std::string_view name) {
  for (const std::string_view taken :
       {"key", "put", "put_async", "put_if", "edit", "make", "query", "gql", "get_by_id", "get_by_id_async",
        "get_or_insert", "get_or_insert_async", "allocate_ids", "allocate_ids_async", "as", "properties", "edited"}) {
    if (name == taken) return false;
  }
  return true;
}

// ---- Table rows

template <class T, bool Always>
void stamp_field(void* field, Timestamp now) {
  T& time = *static_cast<T*>(field);
  if (Always || time == T()) time = now;
}

// The offset of a member, from an object that is never made.
template <class Owner>
union Unmade {
  constexpr Unmade() : none() {}
  constexpr ~Unmade() {}
  char none;
  Owner owner;
};
template <class Owner>
inline Unmade<Owner> unmade{};

template <class Owner, class P>
Row row() {
  using T = Traits<P>;
  constexpr PropertyOptions options = T::kOptions;
  constexpr bool stamped = options.auto_now || options.auto_now_add;
  constexpr bool is_time =
      std::same_as<typename T::Type, Timestamp> || std::same_as<typename T::Type, std::optional<Timestamp>>;
  static_assert(!stamped || (is_time && !T::kComputed),
                "ndb: auto_now and auto_now_add need an ndb::Timestamp or an optional one.");
  Row row{.name = T::name(), .indexed = options.indexed && Codec<typename T::Type>::kIndexed};
  if constexpr (T::kComputed) {
    row.compute = [](Encoder& out, const void* object, bool indexed) {
      Codec<typename T::Type>::encode(out, (static_cast<const Owner*>(object)->*T::kMember)(), indexed);
    };
  } else {
    Owner& owner = unmade<Owner>.owner;
    row.offset = reinterpret_cast<const char*>(&(owner.*T::kMember)) - reinterpret_cast<const char*>(&owner);
    row.ops = &kOps<typename T::Type>;
    if constexpr (stamped && is_time) row.stamp = &stamp_field<typename T::Type, options.auto_now>;
  }
  return row;
}

template <class Owner, class... P>
std::vector<Row> make_rows(Fields<P...>) {
  return {row<Owner, P>()...};
}

template <Structured T>
const Table& struct_table() {
  static const Table table(make_rows<T>(T::ndb_fields()));
  return table;
}

}  // namespace detail
}  // namespace ndb
