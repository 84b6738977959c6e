// Cursors: places between the results of a query, as bytes that clients keep.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

// The cursor behind the result with these components, one per order of the plan; without any, before all results.
std::string encode_cursor(const QueryPlan& plan, const std::vector<std::string>& components);

// INVALID_ARGUMENT if the cursor is damaged or another query's. The same query with all orders reversed may use it too.
absl::StatusOr<QueryPosition> decode_cursor(const QueryPlan& plan, std::string_view cursor);

// The sort key of a result: its components joined, those of descending orders inverted. The first components alone give
// what the sort keys of all results with these components begin with.
std::string sort_key(const QueryPlan& plan, const std::vector<std::string>& components);

}  // namespace ndb::local
