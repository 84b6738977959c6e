// The rows of a planned query, in their order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/index_scan.h"
#include "local_datastore/query_plan.h"
#include "local_datastore/read_set.h"
#include "local_datastore/version_store.h"

namespace ndb::local {

struct QueryRow {
  std::vector<std::string> components{};         // per order of the plan
  std::string position{};                        // position_bytes() of them
  std::vector<v1::Value> projected{};            // per projected property
  std::vector<std::vector<v1::Value>> summed{};  // per property of plan.sums its values
  std::string path{};                            // encode_path() of the entity
  // Lives as long as the row is looked at; without bytes where indexes have said all that is wanted.
  StoredEntity stored{};
};

inline constexpr std::size_t kAllRows = static_cast<std::size_t>(-1);
inline constexpr std::size_t kAnyOrder = kAllRows - 1;

// Calls `consume` with the rows after plan.start until it says false, one of each group that plan.distinct makes. The
// caller takes at most `needed` rows; kAnyOrder: all, in whatever order. What was looked at goes into `reads`. Equality
// filters are joined, an order or inequality walks its index, and entities are fetched only where indexes do not say
// all; rows are sorted only where no index has their order.
absl::Status for_each_row(const KvStore& store, Version at, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                          ReadStats& stats, const std::function<bool(const QueryRow&)>& consume);

// The same over entities that are in no store.
absl::Status for_each_row_of(const std::vector<v1::Entity>& entities, const QueryPlan& plan, std::size_t needed,
                             const std::function<bool(const QueryRow&)>& consume);

// Whether the row comes after plan.end.
bool is_past_end(const QueryPlan& plan, const QueryRow& row);

}  // namespace ndb::local
