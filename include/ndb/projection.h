// Results of projections: `Account::query().project(Account::name, Account::age).fetch()`.
#pragma once

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/codec.h"
#include "ndb/detail/property_traits.h"
#include "ndb/key.h"
#include "ndb/property.h"

namespace ndb {

namespace detail {

// An index holds the elements of a repeated property one by one, and a projection gives one of them.
template <class T>
struct ProjectedType {
  using Type = T;
};
template <class T>
struct ProjectedType<std::vector<T>> {
  using Type = T;
};

template <class P, class... All>
consteval std::size_t position_of() {
  const bool same[] = {std::same_as<P, All>...};
  std::size_t i = 0;
  while (i < sizeof...(All) && !same[i]) ++i;
  return i;
}

}  // namespace detail

// One result: the key of an entity and the values of the properties P as an index has them. It is no entity: it cannot
// be put, no cache holds it, and reading a property that was not asked for does not compile. Of a repeated property it
// has one element; each element gives a result of its own. A value, as std::tuple is.
template <detail::IsProperty... P>
class Projected {
  static_assert((detail::Traits<P>::indexed() && ...), "ndb: only indexed properties can be projected.");
  static_assert((!std::same_as<P, KeyProperty> && ...),
                "ndb: _key is not projected: a result always has its key(). For keys alone there is query.keys().");

 public:
  const Key& key() const { return key_; }

  template <detail::IsProperty Q>
  decltype(auto) operator[](Q) const {
    constexpr std::size_t position = detail::position_of<Q, P...>();
    static_assert(position < sizeof...(P), "ndb: this property is not in the list that project() was called with.");
    if constexpr (position < sizeof...(P)) return std::get<position>(values_);  // else one error is enough
  }

 private:
  template <class M, detail::IsProperty... Q>
  friend class Projection;

  using Values = std::tuple<typename detail::ProjectedType<typename detail::Traits<P>::Type>::Type...>;

  // Of `Values`, which is decoded as a model's properties are; the names are paths.
  static const detail::Table& table() {
    static const std::vector<std::string> names = {detail::Traits<P>::path()...};
    static const detail::Table table([]<std::size_t... I>(std::index_sequence<I...>) {
      const Values sample{};
      const auto offset = [&](const auto& value) {
        return reinterpret_cast<const char*>(&value) - reinterpret_cast<const char*>(&sample);
      };
      return std::vector<detail::Row>{{.name = names[I],
                                       .offset = offset(std::get<I>(sample)),
                                       .ops = &detail::kOps<std::tuple_element_t<I, Values>>}...};
    }(std::index_sequence_for<P...>()));
    return table;
  }

  Key key_;
  Values values_{};
};

}  // namespace ndb
