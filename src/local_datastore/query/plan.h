// A query, checked and brought into one normal form.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/index_value.h"

namespace ndb::local {

inline constexpr std::string_view kKeyProperty = "__key__";

// What the values of one property must be: each of `equals` is one of them, and one of them is within the intervals.
struct PropertyCondition {
  std::set<std::string> equals{};
  std::optional<Intervals> within{};
};

// Filters that all hold.
struct Conjunction {
  std::vector<std::string> ancestors{};  // encode_path_prefix() of each
  std::map<std::string, PropertyCondition> conditions{};
};

struct Order {
  std::string property;
  bool descending = false;
};

// A place between two rows of a query: behind the row with these values of its orders, or, without values, before all
// rows.
struct QueryPosition {
  std::vector<std::string> components{};  // encoded, one per order
  // The bytes by which rows are compared; `exclusive` if the row itself is before the place in the plan's direction.
  std::string bytes{};
  bool exclusive = true;
};

struct QueryPlan {
  v1::PartitionId partition_id;
  std::string partition;  // encode_partition() of it
  std::string kind;       // empty: all
  std::vector<Conjunction> any_of;
  // What rows are ordered by, the last of which makes them unique.
  std::vector<Order> orders;
  std::size_t sorted = 0;  // so many of them are the query's own orders and those of its inequalities
  std::vector<std::string> projection;
  std::size_t distinct = 0;  // rows are told apart by that many of the first orders; 0: by all
  bool keys_only = false;
  bool aggregates = false;  // only the number of rows is wanted, and the values of `sums`
  std::vector<std::string> sums;
  std::set<std::string, std::less<>> properties;  // all that are looked at, without __key__
  std::set<std::string, std::less<>> required;    // of them, those that every row must have a value of

  std::int32_t offset = 0;
  std::optional<std::int32_t> limit{};
  QueryPosition start{};
  std::optional<QueryPosition> end{};
  std::uint64_t signature = 0;  // of all that a cursor must agree with

  // Whether rows are whole entities.
  bool wants_entities() const { return !keys_only && !aggregates && projection.empty(); }
  // Whether the order of the rows makes no difference to their number, nor to what is added up.
  bool is_unordered() const {
    const bool whole = offset == 0 && !limit.has_value();
    return (whole || sums.empty()) && start.components.empty() && !end.has_value() && distinct == 0;
  }
};

// `sums` are the properties of aggregations, which must exist and order the rows where the query does not.
absl::StatusOr<QueryPlan> plan_query(v1::Query& query, v1::PartitionId& partition, const Scope& scope,
                                     const std::vector<std::string>& sums = {});

// The cursor behind a row, and back: INVALID_ARGUMENT if it is another query's. The same query with all orders reversed
// may use it too.
std::string encode_cursor(const QueryPlan& plan, const std::vector<std::string>& components);
absl::StatusOr<QueryPosition> decode_cursor(const QueryPlan& plan, std::string_view cursor);

// The bytes that order rows: the components joined, those of descending orders inverted.
std::string position_bytes(const QueryPlan& plan, const std::vector<std::string>& components);

}  // namespace ndb::local
