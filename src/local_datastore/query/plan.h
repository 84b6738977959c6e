// A query, checked and brought into one normal form.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/query/filter.h"
#include "local_datastore/rules.h"

namespace ndb::local {

struct Order {
  std::string property;
  bool descending = false;
};

// A place between two results of a query: after the result with these components; without any, before all results.
struct QueryPosition {
  std::vector<std::string> components{};  // encoded values, one per order
  std::string sort_key{};                 // that of the components
  bool exclusive = true;                  // false: the place is before that result
};

struct QueryPlan {
  v1::PartitionId partition_id;
  std::string partition;  // encode_partition() of it
  std::string kind;       // empty: all
  std::vector<Conjunction> any_of;
  // The orders of the results: those of the query; then those that its inequalities, sums, distinct_on and projection
  // imply; then the key, which makes them unique.
  std::vector<Order> orders;
  std::size_t sorted = 0;  // how many of them are the query's own or those of its inequalities
  std::vector<std::string> projection;
  std::size_t distinct = 0;  // results are distinct in that many of the first orders; 0: all results
  bool keys_only = false;
  bool aggregates = false;  // only the number of results is wanted, and the values of `sums`
  std::vector<std::string> sums;
  std::set<std::string, std::less<>> properties;  // all that the query uses, without __key__
  std::set<std::string, std::less<>> required;    // those of them that every result must have a value of

  std::int32_t offset = 0;
  std::optional<std::int32_t> limit{};
  QueryPosition start{};
  std::optional<QueryPosition> end{};
  std::uint64_t signature = 0;  // a hash of everything that a cursor must agree with

  // Whether results are whole entities.
  bool wants_entities() const { return !keys_only && !aggregates && projection.empty(); }
  // Whether the order of the results affects neither their number nor the sums.
  bool is_unordered() const {
    const bool whole = offset == 0 && !limit.has_value();
    return (whole || sums.empty()) && start.components.empty() && !end.has_value() && distinct == 0;
  }
};

// `sums` are the properties of aggregations, which results must have, and which order the results after the query's
// orders. INVALID_ARGUMENT names the property or the limit. The sizes of the query are checked against the limits
// first, so the work is linear in a query within the limits, and bounded for any other.
absl::StatusOr<QueryPlan> plan_query(v1::Query& query, v1::PartitionId& partition, const Scope& scope,
                                     const std::vector<std::string>& sums = {});

}  // namespace ndb::local
