// Properties at compile time: filters, orders and assignments for their types. Not for users.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/names.h"
#include "ndb/detail/types.h"
#include "ndb/filter.h"
#include "ndb/property_options.h"

namespace ndb {

template <auto Member, PropertyOptions Options, class Parent>
struct Property;
struct KeyProperty;
struct ClassProperty;
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
template <class Parent>
struct Columns<Expando, Parent>;  // ndb/property.h

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
  static constexpr bool kNested = !std::is_void_v<Parent>;
  static constexpr std::string_view name() {
    if constexpr (!O.name.empty()) {
      return O.name.view();  // a template parameter lives forever
    } else {
      return member_name<M>();
    }
  }
  static constexpr bool indexed() {
    if constexpr (!std::is_void_v<Parent>) {
      if (!Traits<Parent>::indexed()) return false;
    }
    return O.indexed && !O.local && Codec<Type>::kIndexed;
  }
  static constexpr bool repeated() {
    if constexpr (!std::is_void_v<Parent>) {
      if (Traits<Parent>::repeated()) return true;
    }
    return kIsVector<Type>;
  }
  static std::string path() {
    if constexpr (std::is_void_v<Parent>) {
      return std::string(name());
    } else {
      return Traits<Parent>::path() + "." + std::string(name());
    }
  }
};

template <class P>
consteval bool is_expando() {
  return std::same_as<typename Traits<P>::Type, Expando>;
}

template <>
struct Traits<KeyProperty> {
  using Type = Key;
  using Operand = Key;
  static constexpr bool indexed() { return true; }
  static std::string path() { return "__key__"; }
};

template <>
struct Traits<ClassProperty> {
  using Type = std::string;
  using Operand = std::string;
  static constexpr bool indexed() { return true; }
  static std::string path() { return "class"; }
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

// The operand for a double property. BadFilterError for an integer that no double is equal to.
double exact_double(long long integer);
double exact_double(unsigned long long integer);

template <class T, class V>
Value operand(const V& v) {
  if constexpr (Null<V>) {
    return {};
  } else if constexpr (std::same_as<T, Value>) {
    return v;
  } else if constexpr (kIsOptional<V>) {
    return v ? operand<T>(*v) : Value();
  } else if constexpr (std::is_enum_v<T>) {
    return Codec<T>::value(v);
  } else if constexpr (std::integral<T>) {
    return Value(v);  // checks the range
  } else if constexpr (std::derived_from<T, std::string>) {
    return Value(typename Codec<T>::Stored(std::string_view(v)));
  } else if constexpr (std::floating_point<T> && std::signed_integral<V>) {
    return Value(exact_double(static_cast<long long>(v)));
  } else if constexpr (std::floating_point<T> && std::unsigned_integral<V>) {
    return Value(exact_double(static_cast<unsigned long long>(v)));
  } else {
    return Value(static_cast<typename Codec<T>::Stored>(v));
  }
}

template <class P, Op O, class V>
consteval bool check_filter() {
  constexpr bool indexed = Traits<P>::indexed();
  constexpr bool right_type = comparable<typename Traits<P>::Operand, V>();
  constexpr bool right_op = O == Op::kEqual || !Structured<typename Traits<P>::Operand>;  // only null ones are indexed
  static_assert(indexed, "ndb: this property is not indexed, so a query cannot filter or sort by it.");
  static_assert(right_type,
                "ndb: a property is compared with a value of its own type, or with nullptr for null; a "
                "structured one by its sub-properties, or by == with a whole struct.");
  static_assert(right_op || !right_type,
                "ndb: a struct is compared by == alone, with nullptr or another struct; else filter by its "
                "sub-properties.");
  return indexed && right_type && right_op;
}

template <class P, Op O, class V>
Filter filter(const V& v) {
  using Given = std::decay_t<const V>;
  if constexpr (check_filter<P, O, Given>()) {
    return {Traits<P>::path(), O, operand<typename Traits<P>::Operand, Given>(v)};
  }
}

template <class P, Op O, class Range>
Filter filter_of_all(const Range& values) {
  using Given = std::decay_t<decltype(*std::begin(values))>;
  Array elements;
  if constexpr (check_filter<P, O, Given>()) {
    for (const auto& v : values) elements.push_back(operand<typename Traits<P>::Operand, Given>(v));
  }
  return {Traits<P>::path(), O, std::move(elements)};
}

// ---- Whole structs

// The AND of the conditions on the fields of a struct. BadFilterError if there are none.
Filter all_parts(std::string_view property, std::vector<Filter> parts);
// BadFilterError: a field of a struct is repeated and not empty.
[[noreturn]] void refuse_repeated_part(std::string_view property);

template <class P, class T, auto... M, PropertyOptions... O>
void add_parts(std::vector<Filter>& parts, const T& object, Fields<Property<M, O, void>...>);

// The conditions under which P holds `value`; none for null, and for fields that are not indexed.
template <class P, class T>
void add_part(std::vector<Filter>& parts, const T& value) {
  if constexpr (!Traits<P>::indexed()) {
    return;
  } else if constexpr (std::same_as<T, Expando>) {
    static_assert(kNever<T>,
                  "ndb: a struct with an ndb::Expando cannot be compared as a whole. Write its sub-properties out.");
  } else if constexpr (kIsVector<T>) {
    if (!value.empty()) refuse_repeated_part(Traits<P>::path());
  } else if constexpr (kIsOptional<T>) {
    if (value) add_part<P>(parts, *value);
  } else if constexpr (Structured<T>) {
    add_parts<P>(parts, value, T::ndb_fields());
  } else if (Value v = operand<T, T>(value); !v.is_null() && v.indexed()) {
    parts.emplace_back(Traits<P>::path(), Op::kEqual, std::move(v));
  }
}
template <class P, class T, auto... M, PropertyOptions... O>
void add_parts(std::vector<Filter>& parts, const T& object, Fields<Property<M, O, void>...>) {
  (add_part<Property<M, O, P>>(parts, std::invoke(M, object)), ...);
}

template <class P, class V>
concept WholeStruct =
    Structured<typename Traits<P>::Operand> &&
    (std::same_as<V, typename Traits<P>::Operand> || std::same_as<V, std::optional<typename Traits<P>::Operand>>);

template <class P, class V>
Filter filter_of_struct(const V& v) {
  static_assert(Traits<P>::indexed(), "ndb: this property is not indexed, so a query cannot filter or sort by it.");
  static_assert(!Traits<P>::repeated(),
                "ndb: a repeated struct cannot be compared as a whole, because the Datastore cannot tell that one "
                "element meets all. Write its sub-properties out: Customer::offices.city == \"Oslo\", "
                "Customer::offices.street == \"Side 2\".");
  if constexpr (kIsOptional<V>) {
    return v ? filter_of_struct<P>(*v) : Filter(Traits<P>::path(), Op::kEqual, {});
  } else {
    std::vector<Filter> parts;
    add_parts<P>(parts, v, V::ndb_fields());
    return all_parts(Traits<P>::path(), std::move(parts));
  }
}

// ---- Orders

template <class P>
Order order(bool descending) {
  static_assert(Traits<P>::indexed(), "ndb: this property is not indexed, so a query cannot filter or sort by it.");
  static_assert(!Structured<typename Traits<P>::Operand>,
                "ndb: a structured property has no order; sort by a sub-property of it.");
  return {Traits<P>::path(), descending};
}

// ---- Assignments

// A property and the value that populate() gives it.
template <class P>
struct Assignment {
  typename Traits<P>::Type value;
};

// BadValueError: the value does not fit into the property.
[[noreturn]] void refuse_assignment(std::string_view property, const Value& value);

template <class P, class V>
typename Traits<P>::Type assigned(V&& v) {
  using Type = typename Traits<P>::Type;
  constexpr bool settable = !Traits<P>::kComputed && !Traits<P>::kNested;
  static_assert(settable,
                "ndb: populate() sets the properties of the model, not computed ones and not those of a struct.");
  if constexpr (std::is_arithmetic_v<Type>) {
    static_assert(comparable<Type, std::remove_cvref_t<V>>() && !Null<std::remove_cvref_t<V>>,
                  "ndb: a property is given a value of its own type.");
    if constexpr (std::integral<Type> && !std::same_as<Type, bool>) {
      if (!std::in_range<Type>(v)) refuse_assignment(Traits<P>::name(), Value(v));
      return static_cast<Type>(v);
    } else {
      if constexpr (std::floating_point<Type>) {
        if (!fits_floating<Type>(v)) refuse_assignment(Traits<P>::name(), Value(v));
      }
      return static_cast<Type>(v);
    }
  } else {
    static_assert(std::is_convertible_v<V&&, Type>, "ndb: a property is given a value of its own type.");
    return std::forward<V>(v);
  }
}

}  // namespace detail
}  // namespace ndb
