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

// A place between two results of a query: behind the result with these components, or, without any, before all results.
struct QueryPosition {
  std::vector<std::string> components{};  // encoded values, one per order
  std::string sort_key{};                 // of them
  bool exclusive = true;                  // the result itself comes before the place
};

struct QueryPlan {
  v1::PartitionId partition_id;
  std::string partition;  // encode_partition() of it
  std::string kind;       // empty: all
  std::vector<Conjunction> any_of;
  // What results are ordered by: the query's orders, then those that its inequalities, sums, distinct_on and projection
  // imply, then the key, which makes them unique.
  std::vector<Order> orders;
  std::size_t sorted = 0;  // so many of them are the query's own and those of its inequalities
  std::vector<std::string> projection;
  std::size_t distinct = 0;  // results are distinct in that many of the first orders; 0: in all
  bool keys_only = false;
  bool aggregates = false;  // only the number of results is wanted, and the values of `sums`
  std::vector<std::string> sums;
  std::set<std::string, std::less<>> properties;  // all that are looked at, without __key__
  std::set<std::string, std::less<>> required;    // of them, those that every result must have a value of

  std::int32_t offset = 0;
  std::optional<std::int32_t> limit{};
  QueryPosition start{};
  std::optional<QueryPosition> end{};
  std::uint64_t signature = 0;  // of all that a cursor must agree with

  // Whether results are whole entities.
  bool wants_entities() const { return !keys_only && !aggregates && projection.empty(); }
  // Whether the order of the results changes neither their number nor the sums.
  bool is_unordered() const {
    const bool whole = offset == 0 && !limit.has_value();
    return (whole || sums.empty()) && start.components.empty() && !end.has_value() && distinct == 0;
  }
};

// `sums` are the properties of aggregations, which must exist and order the results where the query does not.
// INVALID_ARGUMENT names the property or the limit. The sizes of the query are compared with the limits before
// anything else is done, so the work is linear in a query that keeps them, and in none larger.
absl::StatusOr<QueryPlan> plan_query(v1::Query& query, v1::PartitionId& partition, const Scope& scope,
                                     const std::vector<std::string>& sums = {});

}  // namespace ndb::local
