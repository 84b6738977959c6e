// Projections: `Account::query().project(Account::name, Account::age).fetch()`.
#pragma once

#include <any>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/property_traits.h"
#include "ndb/detail/query_calls.h"
#include "ndb/key.h"
#include "ndb/property.h"
#include "ndb/selection.h"
#include "ndb/value.h"

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
// has one element; each element gives a result of its own. Empty if get() found nothing. A value, as std::tuple is.
template <detail::IsProperty... P>
class Projected {
  static_assert((detail::Traits<P>::indexed() && ...), "ndb: only indexed properties can be projected.");
  static_assert((!std::same_as<P, KeyProperty> && ...),
                "ndb: _key is not projected: a result always has its key(). For keys alone there is query.keys().");

 public:
  // Of the entity.
  const Key& key() const { return key_; }
  // False for the result of a get() that found nothing.
  explicit operator bool() const { return static_cast<bool>(key_); }

  // The value of a property: `row[Account::age]`.
  template <detail::IsProperty Q>
  decltype(auto) operator[](Q) const {
    constexpr std::size_t position = detail::position_of<Q, P...>();
    static_assert(position < sizeof...(P), "ndb: this property is not in the list that project() was called with.");
    if constexpr (position < sizeof...(P)) return std::get<position>(values_);  // else one error is enough
  }

 private:
  template <detail::IsProperty...>
  friend class Projection;

  static absl::StatusOr<std::any> decode(const Key& key, std::string_view entity) {
    Projected row;
    if (absl::Status status = detail::decode_projection(key, entity, table(), &row.values_); !status.ok()) {
      return status;
    }
    row.key_ = key;
    return std::any(std::move(row));
  }

  using Values = std::tuple<typename detail::ProjectedType<typename detail::Traits<P>::Type>::Type...>;

  // Of `Values`, which is decoded as a model's properties are; the names are paths.
  static const detail::Table& table() {
    static const std::vector<std::string> names = {detail::Traits<P>::path()...};
    static const detail::Table table([]<std::size_t... I>(std::index_sequence<I...>) {
      const Values sample{};
      const auto offset = [&](const auto& value) {
        return reinterpret_cast<const char*>(&value) - reinterpret_cast<const char*>(&sample);
      };
      return std::vector<detail::PropertyRow>{{.name = names[I],
                                               .offset = offset(std::get<I>(sample)),
                                               .ops = &detail::kOps<std::tuple_element_t<I, Values>>}...};
    }(std::index_sequence_for<P...>()));
    return table;
  }

  Key key_;
  Values values_{};
};

// The same for properties that are named at run time.
class ProjectedEntity {
 public:
  // Of the entity.
  const Key& key() const { return key_; }
  // False for the result of a get() that found nothing.
  explicit operator bool() const { return static_cast<bool>(key_); }

  // The value of the property with this stored name. UnprojectedPropertyError if it was not asked for.
  const Value& operator[](std::string_view name) const;
  // Whether it was asked for.
  bool contains(std::string_view name) const { return values_.contains(name); }
  // All values, by stored name.
  const std::map<std::string, Value, std::less<>>& values() const { return values_; }

 private:
  friend class DynamicProjection;

  static absl::StatusOr<std::any> decode(const Key& key, std::string_view entity);

  Key key_;
  std::map<std::string, Value, std::less<>> values_;
};

// A query for some properties of the entities instead of all; see Query::project(). It bypasses the context cache,
// which neither changes nor keeps its results.
template <detail::IsProperty... P>
class Projection : public Selection<Projected<P...>> {
 public:
  // Query::project() makes it.
  explicit Projection(detail::QuerySpec spec)
      : Selection<Projected<P...>>(std::move(spec), {.kind = detail::Wanted::Kind::kProjection,
                                                     .projection = {detail::Traits<P>::path()...},
                                                     .decode = &Projected<P...>::decode}) {}
  // Gives one of the results that agree in all these properties.
  Projection distinct() const {
    Projection query = *this;
    query.spec_.distinct_on = this->wanted_.projection;
    return query;
  }
  // As Query::on_error().
  Projection on_error(ErrorHandler handler) const { return this->handing_errors_to(*this, std::move(handler)); }
};

// The same by name.
class DynamicProjection : public Selection<ProjectedEntity> {
 public:
  // Query::project() makes it.
  DynamicProjection(detail::QuerySpec spec, std::vector<std::string> properties)
      : Selection(std::move(spec), {.kind = detail::Wanted::Kind::kProjection,
                                    .projection = std::move(properties),
                                    .decode = &ProjectedEntity::decode}) {}
  // Gives one of the results that agree in all these properties.
  DynamicProjection distinct() const {
    DynamicProjection query = *this;
    query.spec_.distinct_on = wanted_.projection;
    return query;
  }
  // As Query::on_error().
  DynamicProjection on_error(ErrorHandler handler) const { return handing_errors_to(*this, std::move(handler)); }
};

}  // namespace ndb
