// COUNT, SUM and AVG over the results of a query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/index_value.h"

namespace ndb::local {

// Wide enough that no number of results overflows it.
__extension__ typedef __int128 WideInteger;  // NOLINT(modernize-use-using): an alias of it would be pedantic

// Adds up values of one property. Values that are no numbers do not count.
class Sum {
 public:
  void add(const v1::Value& value);
  void add(const IndexEntry& entry);
  void add(const Sum& other);

  v1::Value sum() const;      // an integer if all were and it fits, else a double; 0 for no values
  v1::Value average() const;  // a double; null for no values

 private:
  double total() const { return static_cast<double>(integers_) + doubles_; }

  WideInteger integers_ = 0;
  double doubles_ = 0;
  bool exact_ = true;
  std::int64_t count_ = 0;
};

// Checks the aggregations and gives those without an alias their own. INVALID_ARGUMENT names the alias, the property or
// the limit.
absl::Status check_aggregations(v1::AggregationQuery& query);

// The properties to add up, one for each SUM and AVG in their order.
std::vector<std::string> aggregated_properties(const v1::AggregationQuery& query);

// How many results are enough for all aggregations: if all are counts with a limit, the largest of the limits.
std::optional<std::int64_t> results_enough(const v1::AggregationQuery& query);

// Fills the properties of the answer from `count` results with these sums.
void answer_aggregations(const v1::AggregationQuery& query, std::int64_t count, const std::vector<Sum>& sums,
                         v1::AggregationResult& out);

}  // namespace ndb::local
