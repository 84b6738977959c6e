// Queries: `Account::query(Account::age > 30).order(-Account::age).fetch(20)`.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ndb/aggregation.h"
#include "ndb/cursor.h"
#include "ndb/detail/query_calls.h"
#include "ndb/entity.h"
#include "ndb/explain.h"
#include "ndb/filter.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/projection.h"
#include "ndb/selection.h"

namespace ndb {

// A query for keys alone, which costs the Datastore less. It does not use the context cache. Immutable, and safe to use
// from many threads, as all queries are.
class KeysOnly : public Selection<Key> {
 public:
  // Query::keys_only() makes it.
  explicit KeysOnly(detail::QuerySpec spec) : Selection(std::move(spec), {.kind = detail::Wanted::Kind::kKeys}) {}
  // As Query::on_error(), for answers without a key.
  KeysOnly on_error(ErrorHandler handler) const { return handing_errors_to(*this, std::move(handler)); }
};

// A query over the entities of one kind, as objects of class M; see Selection for the ways to get them. Immutable:
// every function that changes it gives a new one.
//
// The Datastore's answer goes through the in-context cache where the cache policy allows it: a result whose key is
// known here to be deleted is dropped (and the query goes on, so that the limit is filled), one that is cached is
// replaced by the cached entity, and any other is put into the cache. Memcache is neither read nor filled by queries.
template <class M>
class Query : public Selection<M> {
 public:
  // Model::query() and ndb::query() make them: over the kind of M, or another one, "" being all kinds.
  explicit Query(std::vector<Filter> filters) : Query(M::_get_kind(), std::move(filters)) {}
  Query(std::string_view kind, std::vector<Filter> filters)
      : Selection<M>({.kind = std::string(kind), .filters = std::move(filters)},
                     {.kind = detail::Wanted::Kind::kEntities, .info = &detail::info<M>()}) {}

  // Adds filters: all must hold. BadFilterError when the query is sent if one makes no sense.
  template <std::convertible_to<Filter>... F>
  Query filter(F... filters) const {
    return with([&](detail::QuerySpec& spec) { (spec.filters.push_back(std::move(filters)), ...); });
  }
  // Adds sort orders, in the order of the calls.
  template <std::convertible_to<Order>... O>
  Query order(const O&... orders) const {
    return with([&](detail::QuerySpec& spec) { (spec.orders.push_back(orders), ...); });
  }
  // Only the entity of this key, and those whose keys begin with it. BadQueryError when the query is sent if the key is
  // empty or incomplete.
  Query ancestor(Key key) const {
    return with([&](detail::QuerySpec& spec) { spec.ancestor = std::move(key); });
  }
  // The namespace of the query; default: that of the ancestor, else that of the context. "" is the default namespace.
  Query in_namespace(std::string name) const {
    return with([&](detail::QuerySpec& spec) { spec.namespace_ = std::move(name); });
  }
  // Skips that many results first; the Datastore counts them as read.
  Query offset(std::size_t results) const {
    return with([&](detail::QuerySpec& spec) { spec.offset = results; });
  }
  // Gives at most so many results. A limit passed to fetch() and the like replaces this one.
  Query limit(std::size_t results) const {
    return with([&](detail::QuerySpec& spec) { spec.limit = results; });
  }
  // Starts at one cursor, or ends at another. They must come from the same query: kind, filters and orders
  // (INVALID_ARGUMENT from the Datastore). An empty cursor is no bound.
  Query start_cursor(Cursor cursor) const {
    return with([&](detail::QuerySpec& spec) { spec.start = std::move(cursor); });
  }
  Query end_cursor(Cursor cursor) const {
    return with([&](detail::QuerySpec& spec) { spec.end = std::move(cursor); });
  }
  // Reads the Datastore as it was at this time, past the context cache, which neither changes nor keeps the results.
  // Cloud Datastore takes times of the last hour, or whole minutes of the last seven days with point-in-time recovery.
  // BadRequestError when the query is sent in a transaction or as EVENTUAL.
  Query as_of(Timestamp read_time) const {
    return with([&](detail::QuerySpec& spec) { spec.read_time = read_time; });
  }
  // Gives the first of the results that agree in these properties. Orders must begin with them.
  template <detail::IsProperty... P>
    requires(sizeof...(P) > 0)
  Query distinct_on(P...) const {
    static_assert((detail::Traits<P>::indexed() && ...), "ndb: only indexed properties can tell results apart.");
    return distinct_on({detail::Traits<P>::path()...});
  }
  Query distinct_on(std::vector<std::string> properties) const {
    return with([&](detail::QuerySpec& spec) { spec.distinct_on = std::move(properties); });
  }

  // Skips results that can't be given (a property that does not fit the class, an entity of another class in GQL):
  // `handler` is called with the key and the status of each, in the tasklet that reads the results and when it gets
  // there; the limit is filled nevertheless. What the handler throws goes to that tasklet; the query can then go on.
  // This applies to every way to get results, and to the projections and keys of this query.
  Query on_error(ErrorHandler handler) const {
    return with([&](detail::QuerySpec& spec) { spec.on_error = std::move(handler); });
  }

  // The same query for keys alone, in all forms of Selection; keys() is its fetch().
  KeysOnly keys_only() const { return KeysOnly(this->spec_); }
  std::vector<Key> keys(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return keys_only().fetch(limit, options);
  }
  Future<std::vector<Key>> keys_async(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return keys_only().fetch_async(limit, options);
  }

  // These indexed properties alone, which are answered from an index; entities that lack one of them or have it
  // unindexed are left out. Results are Projected rows: `row.key()`, `row[Account::name]`; by name, ProjectedEntity.
  template <detail::IsProperty... P>
    requires(sizeof...(P) > 0)
  Projection<P...> project(P...) const {
    return Projection<P...>(this->spec_);
  }
  DynamicProjection project(std::vector<std::string> properties) const {
    return DynamicProjection(this->spec_, std::move(properties));
  }

  // Several aggregations in one call, as a tuple: `auto [n, mean] = query.aggregate(ndb::count(),
  // ndb::avg(Account::age))`. At most 5. Like keys, they do not look at the context cache. BadValueError if a sum of
  // integers overflows; BadQueryError for one without a property. `options.deadline` bounds the RPC.
  template <class... Result>
    requires(sizeof...(Result) > 0)
  std::tuple<Result...> aggregate(const Aggregate<Result>&... of) const {
    return aggregate(Options(), of...);
  }
  template <class... Result>
    requires(sizeof...(Result) > 0)
  std::tuple<Result...> aggregate(const Options& options, const Aggregate<Result>&... of) const {
    const detail::Aggregation asked[] = {of.asked...};
    const std::vector<Value> values = detail::aggregate(this->spec_, asked, options);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple<Result...>{detail::result_of<Result>(asked[I], values[I])...};
    }(std::index_sequence_for<Result...>());
  }
  template <class... Result>
  Future<std::tuple<Result...>> aggregate_async(const Aggregate<Result>&... of) const {
    return detail::in_background([self = *this, of...] { return self.aggregate(of...); });
  }

  // As explain(), of aggregate(): `query.explain_aggregate({.analyze = true}, ndb::count())`.
  template <class... Result>
    requires(sizeof...(Result) > 0)
  ExplainMetrics explain_aggregate(const ExplainOptions& options, const Aggregate<Result>&... of) const {
    const detail::Aggregation asked[] = {of.asked...};
    return detail::explain_aggregate(this->spec_, asked, options);
  }
  // The same in a tasklet.
  template <class... Result>
    requires(sizeof...(Result) > 0)
  Future<ExplainMetrics> explain_aggregate_async(const ExplainOptions& options, const Aggregate<Result>&... of) const {
    return detail::in_background([self = *this, options, of...] { return self.explain_aggregate(options, of...); });
  }

  // One aggregation: see ndb::count(), ndb::sum() and ndb::avg() for what they give.
  std::int64_t count(std::size_t up_to = kNoLimit, const Options& options = {}) const {
    return std::get<0>(aggregate(options, ndb::count(up_to)));
  }
  // `property` is `Account::age` or a name.
  template <class P>
  auto sum(const P& property, const Options& options = {}) const {
    return std::get<0>(aggregate(options, ndb::sum(property)));
  }
  template <class P>
  std::optional<double> avg(const P& property, const Options& options = {}) const {
    return std::get<0>(aggregate(options, ndb::avg(property)));
  }
  Future<std::int64_t> count_async(std::size_t up_to = kNoLimit, const Options& options = {}) const {
    return detail::in_background([self = *this, up_to, options] { return self.count(up_to, options); });
  }
  template <class P>
  auto sum_async(const P& property, const Options& options = {}) const {
    return detail::in_background(
        [self = *this, of = ndb::sum(property), options] { return std::get<0>(self.aggregate(options, of)); });
  }
  template <class P>
  Future<std::optional<double>> avg_async(const P& property, const Options& options = {}) const {
    return detail::in_background(
        [self = *this, of = ndb::avg(property), options] { return std::get<0>(self.aggregate(options, of)); });
  }

 private:
  template <class Change>
  Query with(const Change& change) const {
    Query query = *this;
    change(query.spec_);
    return query;
  }
};

// A query without a model class: `ndb::query("Account", {{"age", ndb::Op::kGreater, 30}}).fetch()`. Without a kind it
// is over all kinds, and can filter and order by `__key__` only.
inline Query<Entity> query(std::string_view kind = {}, std::vector<Filter> filters = {}) {
  return Query<Entity>(kind, std::move(filters));
}

}  // namespace ndb
