// The rows of a planned query, in their order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/query_plan.h"
#include "local_datastore/transactions.h"
#include "local_datastore/version_store.h"

namespace ndb::local {

struct QueryRow {
  std::vector<std::string> components{};  // per order of the plan
  std::string position{};                 // position_bytes() of them
  std::vector<v1::Value> projected{};     // per projected property
  StoredEntity stored{};                  // lives as long as the row is looked at
};

inline constexpr std::size_t kAllRows = static_cast<std::size_t>(-1);
inline constexpr std::size_t kAnyOrder = kAllRows - 1;

// Calls `consume` with the rows after plan.start until it says false, one of each group that plan.distinct makes. The
// caller takes at most `needed` rows; kAnyOrder: all, in whatever order. What was scanned goes into the read set of
// `transaction`, if there is one. Today kinds and ancestors are scanned, filtered and sorted; indexes of properties
// will take the place of the scan, not of this function.
absl::Status for_each_row(const KvStore& store, Version at, const QueryPlan& plan, Transaction* transaction,
                          std::size_t needed, const std::function<bool(const QueryRow&)>& consume);

// Whether the row comes after plan.end.
bool is_past_end(const QueryPlan& plan, const QueryRow& row);

}  // namespace ndb::local
