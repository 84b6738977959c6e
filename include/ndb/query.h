// Queries: `Account::query(Account::age > 30).order(-Account::age).fetch(20)`.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ndb/detail/calls.h"
#include "ndb/entity.h"
#include "ndb/filter.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/projection.h"

namespace ndb {

namespace detail {

// What is asked, without a type.
struct QuerySpec {
  std::string kind{};
  Key ancestor{};                 // none: no such filter
  std::vector<Filter> filters{};  // all must hold
  std::vector<Order> orders{};
  std::optional<std::string> namespace_{};  // default: the ancestor's, else the context's
  std::size_t offset = 0;
};

// Up to `limit` results, with the rules of the context cache (see Query).
std::vector<Found> fetch(const QuerySpec& spec, const ModelInfo& info, std::size_t limit, const Options& options);
std::vector<Key> fetch_keys(const QuerySpec& spec, std::size_t limit, const Options& options);

// The values of some properties, by their paths: for every result `into` gives the object that `table` describes.
void fetch_projection(const QuerySpec& spec, const Table& table, std::size_t limit, const Options& options,
                      const std::function<void*(Key)>& into);

}  // namespace detail

// A query for some properties of the entities instead of all; see Query::project().
template <class M, detail::IsProperty... P>
class Projection {
 public:
  // The context cache has no part in it: it neither changes nor keeps what the Datastore answers. Errors as of
  // Query::fetch().
  std::vector<Projected<P...>> fetch(std::size_t limit = SIZE_MAX, const Options& options = {}) const {
    std::vector<Projected<P...>> results;
    detail::fetch_projection(spec_, Projected<P...>::table(), limit, options, [&results](Key key) -> void* {
      Projected<P...>& result = results.emplace_back();
      result.key_ = std::move(key);
      return &result.values_;
    });
    return results;
  }

 private:
  template <class>
  friend class Query;
  explicit Projection(detail::QuerySpec spec) : spec_(std::move(spec)) {}

  detail::QuerySpec spec_;
};

// A query over the entities of one kind, as objects of class M. Immutable: every function that changes it gives a new
// one. Not thread-safe to assign, safe to use from many threads.
//
// The Datastore's answer goes through the in-context cache where the cache policy allows it: a result whose key is
// known here to be deleted is dropped (and the query goes on, so that the limit is filled), one that is cached is
// replaced by the cached entity, and any other is put into the cache. Memcache is neither read nor filled by queries.
template <class M>
class Query {
 public:
  explicit Query(std::vector<Filter> filters) : Query(M::_get_kind(), std::move(filters)) {}
  Query(std::string_view kind, std::vector<Filter> filters) {
    spec_.kind = std::string(kind);
    spec_.filters = std::move(filters);
  }

  template <std::convertible_to<Filter>... F>
  Query filter(F... filters) const {
    Query query = *this;
    (query.spec_.filters.push_back(std::move(filters)), ...);
    return query;
  }
  template <std::convertible_to<Order>... O>
  Query order(const O&... orders) const {
    Query query = *this;
    (query.spec_.orders.push_back(orders), ...);
    return query;
  }
  Query ancestor(Key key) const {
    Query query = *this;
    query.spec_.ancestor = std::move(key);
    return query;
  }
  Query in_namespace(std::string name) const {
    Query query = *this;
    query.spec_.namespace_ = std::move(name);
    return query;
  }
  Query offset(std::size_t results) const {
    Query query = *this;
    query.spec_.offset = results;
    return query;
  }

  // Errors as those of the Datastore, BadValueError for a result that does not fit the class. Of the options, those
  // that concern memcache mean nothing here.
  std::vector<M> fetch(std::size_t limit = SIZE_MAX, const Options& options = {}) const {
    std::vector<M> models;
    for (detail::Found& found : detail::fetch(spec_, detail::info<M>(), limit, options)) {
      models.push_back(detail::HandleAccess::wrap<M>(std::move(found.key), std::move(found.payload)));
    }
    return models;
  }
  // The first result; an empty handle if there is none.
  M get(const Options& options = {}) const {
    std::vector<M> models = fetch(1, options);
    return models.empty() ? M() : std::move(models.front());
  }
  // The keys alone, which costs the Datastore less. The cache has no part in it.
  std::vector<Key> keys(std::size_t limit = SIZE_MAX, const Options& options = {}) const {
    return detail::fetch_keys(spec_, limit, options);
  }

  // The same query for these indexed properties alone, which is answered from an index; entities that lack one of them
  // or have it unindexed are left out. Results are Projected rows: `row.key()`, `row[Account::name]`.
  template <detail::IsProperty... P>
    requires(sizeof...(P) > 0)
  Projection<M, P...> project(P...) const {
    return Projection<M, P...>(spec_);
  }

  const detail::QuerySpec& spec() const { return spec_; }

 private:
  detail::QuerySpec spec_;
};

// A query without a model class: `ndb::query("Account", {{"age", ndb::Op::kGreater, 30}}).fetch()`.
inline Query<Entity> query(std::string_view kind, std::vector<Filter> filters = {}) {
  return Query<Entity>(kind, std::move(filters));
}

}  // namespace ndb
