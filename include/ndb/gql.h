// GQL: `ndb::gql<Account>("SELECT * FROM Account WHERE age > @1 AND name = @name", 30, ndb::named("name", "Ada"))`.
#pragma once

#include <concepts>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ndb/cursor.h"
#include "ndb/detail/query_calls.h"
#include "ndb/entity.h"
#include "ndb/explain.h"
#include "ndb/model.h"
#include "ndb/options.h"
#include "ndb/query.h"
#include "ndb/selection.h"
#include "ndb/value.h"

namespace ndb {

// The value of a `@1`, `@2`, ... of the text, or with a name of `@name`: a value (an ndb::Array for IN), or a Cursor
// where LIMIT or OFFSET takes one.
struct Binding : detail::GqlBinding {
  // The value, or the cursor, that is bound.
  template <class V>
    requires(!std::derived_from<V, detail::GqlBinding> && std::convertible_to<const V&, Value>)
  Binding(const V& v) : GqlBinding{.value = Value(v)} {}
  Binding(Cursor cursor) : GqlBinding{.value = std::move(cursor)} {}
};
// Binds `@name`.
inline Binding named(std::string_view name, Binding binding) {
  binding.name = std::string(name);
  return binding;
}

// A query as text, which the Datastore parses: the framework sends text and bindings as they are. The text decides what
// is selected, so ask in the form that fits it, or get a BadQueryError: the query itself gives entities of class M
// (`SELECT *`), keys_only() keys (`SELECT __key__`), project() properties (`SELECT name, age`), aggregate() numbers
// (`SELECT COUNT(*)`). Entities go through the context cache as those of Query do. Immutable.
template <class M>
class GqlQuery : public Selection<M> {
 public:
  // See gql().
  explicit GqlQuery(std::string text)
      : Selection<M>({.gql = std::move(text)}, {.kind = detail::Wanted::Kind::kEntities, .info = &detail::info<M>()}) {}

  // The same query with these bindings added. The Datastore refuses positional bindings that the text does not use, and
  // names in the text that have no binding.
  template <std::convertible_to<Binding>... B>
  GqlQuery bind(const B&... bindings) const {
    GqlQuery query = *this;
    (query.spec_.bindings.push_back(Binding(bindings)), ...);
    return query;
  }
  GqlQuery in_namespace(std::string name) const {
    GqlQuery query = *this;
    query.spec_.namespace_ = std::move(name);
    return query;
  }

  // As Query::as_of().
  GqlQuery as_of(Timestamp read_time) const {
    GqlQuery query = *this;
    query.spec_.read_time = read_time;
    return query;
  }

  // As Query::on_error().
  GqlQuery on_error(ErrorHandler handler) const { return GqlQuery::handing_errors_to(*this, std::move(handler)); }

  // A query for a text that selects keys, or properties, which are named here or taken from the answer.
  KeysOnly keys_only() const { return KeysOnly(this->spec_); }
  template <detail::IsProperty... P>
    requires(sizeof...(P) > 0)
  Projection<P...> project(P...) const {
    return Projection<P...>(this->spec_);
  }
  DynamicProjection project() const { return DynamicProjection(this->spec_, {}); }

  // The values by name: the name that the text gives with AS, else property_1, property_2, ...
  std::map<std::string, Value> aggregate(const Options& options = {}) const {
    return detail::aggregate_gql(this->spec_, options);
  }
  Future<std::map<std::string, Value>> aggregate_async(const Options& options = {}) const {
    return detail::in_background([self = *this, options] { return self.aggregate(options); });
  }

  // As explain(), for a text that aggregates.
  ExplainMetrics explain_aggregate(const ExplainOptions& options = {}) const {
    return detail::explain_aggregate(this->spec_, {}, options);
  }
  // The same in a tasklet.
  Future<ExplainMetrics> explain_aggregate_async(const ExplainOptions& options = {}) const {
    return detail::in_background([self = *this, options] { return self.explain_aggregate(options); });
  }
};

// The query of a GQL text with its bindings, for entities of class M. The Datastore parses the text when results are
// asked for; an error in the text is an Error with INVALID_ARGUMENT, from the local Datastore with line and column.
template <class M = Entity, std::convertible_to<Binding>... B>
GqlQuery<M> gql(std::string text, const B&... bindings) {
  return GqlQuery<M>(std::move(text)).bind(bindings...);
}

namespace detail {
std::string select_all(std::string_view kind);  // "SELECT * FROM `kind` "
}

template <class D, class Base>
template <class... B>
GqlQuery<D> Model<D, Base>::gql(std::string_view rest, const B&... bindings) {
  return ndb::gql<D>(detail::select_all(_get_kind()) + std::string(rest), bindings...);
}

}  // namespace ndb
