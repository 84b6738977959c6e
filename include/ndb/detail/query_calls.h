// What queries (ndb/query.h) ask of the library. Not for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ndb/cursor.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/model_info.h"
#include "ndb/detail/payload.h"
#include "ndb/filter.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/value.h"

namespace ndb {

inline constexpr std::size_t kNoLimit = SIZE_MAX;

namespace detail {

// A value for a `@name` in GQL, or with an empty name for the next of @1, @2, ...
struct GqlBinding {
  std::string name{};
  std::variant<Value, Cursor> value{};
};

// What is asked, without a type. With a GQL text only the namespace counts beside it.
struct QuerySpec {
  std::string kind{};             // empty: all kinds
  Key ancestor{};                 // none: no such filter
  std::vector<Filter> filters{};  // all must hold
  std::vector<Order> orders{};
  std::vector<std::string> distinct_on{};
  std::optional<std::string> namespace_{};  // default: the ancestor's, else the context's
  std::size_t offset = 0;
  std::size_t limit = kNoLimit;
  Cursor start{}, end{};

  std::string gql{};
  std::vector<GqlBinding> bindings{};
};

// What results are: entities of the class `info`; keys; or the properties `projection` of entities (with GQL those that
// its text names).
struct Wanted {
  enum class Kind { kEntities, kKeys, kProjection };
  Kind kind = Kind::kKeys;
  const ModelInfo* info = nullptr;
  std::vector<std::string> projection{};
};

// One result, as far as it can be made without its type.
struct QueryResult {
  Key key;
  PayloadPtr payload;    // of an entity
  std::string entity{};  // of a projection: Entity bytes
};

// A query that is being run, batch by batch: while one is used the next is under way. It belongs to the context where
// it was started, and throws ContextError elsewhere. After an error every call throws that error.
class QueryRun {
 public:
  QueryRun() = default;
  QueryRun(const QueryRun&) = delete;
  QueryRun& operator=(const QueryRun&) = delete;
  virtual ~QueryRun() = default;
  virtual bool has_next() = 0;               // waits where need be
  virtual QueryResult next() = 0;            // BadRequestError if there is none
  virtual const Cursor& before() const = 0;  // the result that next() gave last
  virtual const Cursor& after() const = 0;
};

// Sends the query. `limit` stands instead of the spec's own if it is not kNoLimit.
std::shared_ptr<QueryRun> start_query(const QuerySpec& spec, const Wanted& wanted, std::size_t limit,
                                      const Options& options);

// Decodes a result of a projection into the object that `table` describes, or as values by name.
void decode_projection(const QueryResult& result, const Table& table, void* object);
std::map<std::string, Value, std::less<>> decode_projection(const QueryResult& result);

struct Aggregation {
  enum class Kind { kCount, kSum, kAvg };
  Kind kind = Kind::kCount;
  std::string property{};        // of a sum or an average
  std::size_t up_to = kNoLimit;  // of a count
};
// One value per aggregation, in one RPC.
std::vector<Value> aggregate(const QuerySpec& spec, std::span<const Aggregation> aggregations, const Options& options);
// The values that an aggregating GQL text gives, by name.
std::map<std::string, Value> aggregate_gql(const QuerySpec& spec, const Options& options);

}  // namespace detail
}  // namespace ndb
