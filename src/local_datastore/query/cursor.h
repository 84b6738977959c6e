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

// INVALID_ARGUMENT if the cursor is damaged or of another query. The query with all orders reversed may use it too.
absl::StatusOr<QueryPosition> decode_cursor(const QueryPlan& plan, std::string_view cursor);

// The sort key of a result: its components joined, those of descending orders inverted. With only the first components
// it is the common prefix of the sort keys of all results that have these components.
std::string sort_key(const QueryPlan& plan, const std::vector<std::string>& components);

}  // namespace ndb::local
