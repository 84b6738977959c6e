// Access paths: which parts of which indexes a plan scans, and what their entries tell about its results.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

inline constexpr std::size_t kAllResults = static_cast<std::size_t>(-1);
inline constexpr std::size_t kAnyOrder = kAllResults - 1;

// There are two access paths. In the order of keys, it scans the kind, or zigzag joins of the indexes of equality
// filters; in the order of values, it scans the index of the first order's property.
class QueryAccess {
 public:
  // The caller takes at most `needed` results; kAnyOrder: all, in any order. `plan` outlives this.
  QueryAccess(const QueryPlan& plan, std::size_t needed);

  bool any_order() const { return any_order_; }
  // The position of the first order that is not redundant, among the orders of the plan.
  std::size_t first_order() const { return deciding_.front(); }
  std::string_view keys_of_partition() const { return keys_; }

  // Whether an equality, an ancestor or a key leaves few entities to read.
  bool is_selective() const;
  // Whether a scan of the property's index may still read less: it can stop early, or needs no entities.
  bool index_may_cost_less(const std::string& property) const;

  // The key prefixes of the rows to join.
  std::vector<std::string> prefixes_of(const Conjunction& conjunction) const;
  // The range, among rows with this key prefix, that the conditions on keys leave, and the start cursor if
  // `from_start`.
  KeyRange path_range(const Conjunction& conjunction, const std::string& prefix, bool from_start, bool backwards) const;
  // Whether the joins determine the results completely, apart from the entities.
  bool covers_paths() const;

  // Whether the index of the first order has the order of the results: within one value, it is in the order of keys.
  bool index_has_order() const;
  // The parts of a property's index to scan.
  Intervals intervals_of(const std::string& property) const;
  // The position of the start cursor in the index of an order.
  std::optional<IndexScan::Start> start_of(std::size_t order, bool streams) const;
  // Whether an entry that meets the equalities determines a result completely, apart from the entity: if it is the
  // entity's only entry, or if each entry is a result.
  bool covers_entries(const std::string& property) const;

  // A component of a result that its key determines, or that is the same in all results.
  std::string known_component(const std::string& property, const std::string& path) const;

 private:
  const QueryPlan& plan_;
  const std::string keys_;
  const bool any_order_;
  const bool takes_all_;
  // The orders that are not redundant: a property with the same value in all results orders nothing. __key__ is one.
  std::vector<std::size_t> deciding_{};
  std::size_t key_order_ = 0;  // the position of __key__ among the orders
};

}  // namespace ndb::local
