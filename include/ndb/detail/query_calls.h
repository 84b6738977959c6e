// The calls of queries (ndb/query.h) to the library. Not for users.
#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/cursor.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/model_info.h"
#include "ndb/detail/payload.h"
#include "ndb/explain.h"
#include "ndb/filter.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/value.h"

namespace ndb {

inline constexpr std::size_t kNoLimit = SIZE_MAX;

// The argument of on_error() of queries: called with the key of a result that can't be given, and the reason.
using ErrorHandler = std::function<void(const Key& key, const absl::Status& status)>;

namespace detail {

// A value for a `@name` in GQL, or with an empty name for the next of @1, @2, ...
struct GqlBinding {
  std::string name{};
  std::variant<Value, Cursor> value{};
};

// A query without its result type. With a GQL text only the namespace is used besides it.
struct QuerySpec {
  std::string kind{};  // empty: all kinds
  std::optional<Key> ancestor{};
  std::vector<Filter> filters{};  // all must hold
  std::vector<Order> orders{};
  std::vector<std::string> distinct_on{};
  std::optional<std::string> namespace_{};  // default: the ancestor's, else the context's
  std::size_t offset = 0;
  std::size_t limit = kNoLimit;
  Cursor start{}, end{};
  std::optional<Timestamp> read_time{};  // as of when; the context cache then has no part in it

  std::string gql{};
  std::vector<GqlBinding> bindings{};

  ErrorHandler on_error{};  // empty: an error of a result is given in its place
};

// The form of the results: entities of the class `info`; keys; or the properties `projection` of entities (for GQL,
// those that its text names), which `decode` makes into rows.
struct Wanted {
  enum class Kind { kEntities, kKeys, kProjection };
  Kind kind = Kind::kKeys;
  const ModelInfo* info = nullptr;
  std::vector<std::string> projection{};
  absl::StatusOr<std::any> (*decode)(const Key& key, std::string_view entity) = nullptr;
};

// One result, without its type; or, if `status` is not OK, why it can't be given, with its key if that is known.
struct QueryResult {
  Key key{};
  PayloadPtr payload{};  // of an entity
  std::any row{};        // of a projection
  absl::Status status{};
};

// A query that is being run, batch by batch: while one batch is used the next is under way. It belongs to the context
// in which it was started, and throws ContextError elsewhere. After an error of the query (an error of one result is
// only that result's) every call throws that error.
class QueryRun {
 public:
  QueryRun() = default;
  QueryRun(const QueryRun&) = delete;
  QueryRun& operator=(const QueryRun&) = delete;
  virtual ~QueryRun() = default;
  virtual bool has_next() = 0;               // waits where need be
  virtual QueryResult next() = 0;            // BadRequestError if there is none
  virtual const Cursor& before() const = 0;  // the place before the last result of next()
  virtual const Cursor& after() const = 0;   // the place after it, and after results that on_error() has skipped since
};

// The same query with its results in the opposite order, from `before` on; an empty cursor: from the last result on.
// BadQueryError for a query whose order has no exact opposite.
QuerySpec reversed(const QuerySpec& spec, const Wanted& wanted, const Cursor& before);

// The scope of Options::deadline: the run from its start to its end, or each wait for a next result.
enum class Bounds { kRun, kStep };

// Sends the query. `limit` replaces the spec's own if it is not kNoLimit.
std::shared_ptr<QueryRun> start_query(const QuerySpec& spec, const Wanted& wanted, std::size_t limit,
                                      const Options& options, Bounds bounds);

// Asks the Datastore how it answers the query; with `analyze` it runs the query to its end, and drops the results.
ExplainMetrics explain(const QuerySpec& spec, const Wanted& wanted, const ExplainOptions& explain);

// Decodes a result of a projection into the object that `table` describes, or as values by name.
absl::Status decode_projection(const Key& key, std::string_view entity, const Table& table, void* object);
absl::StatusOr<std::map<std::string, Value, std::less<>>> decode_projection(const Key& key, std::string_view entity);

struct Aggregation {
  enum class Kind { kCount, kSum, kAvg };
  Kind kind = Kind::kCount;
  std::string property{};        // of a sum or an average
  std::size_t up_to = kNoLimit;  // of a count
};
// One value per aggregation, in one RPC.
std::vector<Value> aggregate(const QuerySpec& spec, std::span<const Aggregation> aggregations, const Options& options);
// The values of an aggregating GQL text, by name.
std::map<std::string, Value> aggregate_gql(const QuerySpec& spec, const Options& options);
// As explain(), for either of them: with a GQL text `aggregations` is empty.
ExplainMetrics explain_aggregate(const QuerySpec& spec, std::span<const Aggregation> aggregations,
                                 const ExplainOptions& explain);

}  // namespace detail
}  // namespace ndb
