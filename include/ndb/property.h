// Properties of model classes as objects: `Account::age > 30`, `-Account::age`, `Account::home.city == "London"`.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ndb/detail/property_traits.h"
#include "ndb/detail/rows.h"
#include "ndb/filter.h"

namespace ndb {

namespace detail {

template <class P>
struct ListFilters {  // NOLINT(bugprone-crtp-constructor-accessibility): P is an aggregate, which needs it
  template <class V>
  Filter IN(std::initializer_list<V> values) const {
    return filter_of_all<P, Op::kIn>(values);
  }
  template <class Range>
  Filter IN(const Range& values) const {
    return filter_of_all<P, Op::kIn>(values);
  }
  template <class V>
  Filter NOT_IN(std::initializer_list<V> values) const {
    return filter_of_all<P, Op::kNotIn>(values);
  }
  template <class Range>
  Filter NOT_IN(const Range& values) const {
    return filter_of_all<P, Op::kNotIn>(values);
  }
};

}  // namespace detail

// The property itself, an empty object; NDB_MODEL makes one per field. `Account::age` is the property, `account->age`
// the value. Options are part of the type, so that a filter on a property that is not indexed does not compile.
//
// Comparisons make filters: == != < <= > >= with a value of the property's type, or nullptr for null. On a repeated
// property a filter holds when it holds for any element. A minus makes a descending order. Beside IN and NOT_IN a
// property has no named members of its own, since the sub-properties of a structured one are its members.
//
// `Customer::home == Address{...}` asks that all indexed properties of the struct are equal; null ones are left out, as
// in NDB. Not of repeated structs.
template <auto Member, PropertyOptions Options = PropertyOptions{}, class Parent = void>
struct Property : detail::Columns<typename detail::MemberOf<decltype(Member)>::Type, Property<Member, Options, Parent>>,
                  detail::ListFilters<Property<Member, Options, Parent>> {
  // As an ascending order.
  operator Order() const { return detail::order<Property>(false); }
  // For populate(): `ada.populate(Account::name("Ada"), Account::age(36))`.
  template <class V>
  detail::Assignment<Property> operator()(V&& value) const {
    return {detail::assigned<Property>(std::forward<V>(value))};
  }
  template <class V>
  constexpr void operator=(const V&) const {
    static_assert(detail::kNever<V>, "ndb: this is the property, not its value. Write entity.edit().field = value.");
  }
};

// The key as a property of every model class: `Account::_key > key`, `-Account::_key`.
struct KeyProperty : detail::ListFilters<KeyProperty> {
  // As an ascending order.
  operator Order() const { return detail::order<KeyProperty>(false); }
};

// The classes of an entity of a PolyModel, from the root to its own.
struct ClassProperty {
  // As an ascending order.
  operator Order() const { return detail::order<ClassProperty>(false); }
};

// A property that no class lists, by its stored name: `ndb::GenericProperty("bar") == 1`, `Wild::others["bar"] == 1`.
class GenericProperty {
 public:
  // Of the stored name, with dots for the properties of embedded entities.
  explicit GenericProperty(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

  // Filters and orders, as those of Property.
  Filter IN(Array values) const { return {name_, Op::kIn, std::move(values)}; }
  Filter NOT_IN(Array values) const { return {name_, Op::kNotIn, std::move(values)}; }
  operator Order() const { return {name_, false}; }
  friend Order operator-(const GenericProperty& p) { return {p.name_, true}; }
  friend Filter operator==(const GenericProperty& p, Value v) { return {p.name_, Op::kEqual, std::move(v)}; }
  friend Filter operator!=(const GenericProperty& p, Value v) { return {p.name_, Op::kNotEqual, std::move(v)}; }
  friend Filter operator<(const GenericProperty& p, Value v) { return {p.name_, Op::kLess, std::move(v)}; }
  friend Filter operator<=(const GenericProperty& p, Value v) { return {p.name_, Op::kLessOrEqual, std::move(v)}; }
  friend Filter operator>(const GenericProperty& p, Value v) { return {p.name_, Op::kGreater, std::move(v)}; }
  friend Filter operator>=(const GenericProperty& p, Value v) { return {p.name_, Op::kGreaterOrEqual, std::move(v)}; }

 private:
  std::string name_;
};

namespace detail {
template <class Parent>
struct Columns<Expando, Parent> {
  GenericProperty operator[](std::string_view name) const {
    std::string path = Traits<Parent>::path();  // of the expando, whose own name is not part of the path
    path.erase(path.rfind('.') + 1);
    return GenericProperty(path.append(name));
  }
};
}  // namespace detail

// The list of a model's properties, an empty object: their types say everything.
template <class... P>
struct Fields {
  constexpr Fields() = default;
  // The list of the arguments, or of both lists.
  constexpr explicit Fields(P...)
    requires(sizeof...(P) > 0)
  {}
  template <class... Q>
  constexpr Fields<P..., Q...> operator+(Fields<Q...>) const {
    return {};
  }
};

// `Filter` is written out: with `auto` the bodies would be instantiated while overloads are compared.
template <detail::IsProperty P, class V>
Filter operator==(P, const V& v) {
  if constexpr (detail::WholeStruct<P, V>) {
    return detail::filter_of_struct<P>(v);
  } else {
    return detail::filter<P, Op::kEqual>(v);
  }
}
template <detail::IsProperty P, class V>
Filter operator!=(P, const V& v) {
  return detail::filter<P, Op::kNotEqual>(v);
}
template <detail::IsProperty P, class V>
Filter operator<(P, const V& v) {
  return detail::filter<P, Op::kLess>(v);
}
template <detail::IsProperty P, class V>
Filter operator<=(P, const V& v) {
  return detail::filter<P, Op::kLessOrEqual>(v);
}
template <detail::IsProperty P, class V>
Filter operator>(P, const V& v) {
  return detail::filter<P, Op::kGreater>(v);
}
template <detail::IsProperty P, class V>
Filter operator>=(P, const V& v) {
  return detail::filter<P, Op::kGreaterOrEqual>(v);
}
template <detail::IsProperty P>
Order operator-(P) {
  return detail::order<P>(true);
}

// Names for use as strings: property_name(Account::home.city) is "home.city".
template <detail::IsProperty P>
std::string property_name(P) {
  return detail::Traits<P>::path();
}

}  // namespace ndb
