// Access paths: which parts of which indexes lead to the results of a plan, and what their entries say of them.
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

// There are two access paths: in the order of keys, the kind or zigzag joins of the indexes of equality filters; and in
// the order of values, the index of the first order's property.
class QueryAccess {
 public:
  // The caller takes at most `needed` results; kAnyOrder: all, in whatever order. `plan` outlives this.
  QueryAccess(const QueryPlan& plan, std::size_t needed);

  bool any_order() const { return any_order_; }
  // The number of the first order that decides something.
  std::size_t first_order() const { return deciding_.front(); }
  std::string_view keys_of_partition() const { return keys_; }

  // Whether an equality, an ancestor or a key leaves few entities to look at.
  bool is_selective() const;
  // Whether a scan of the property's index may nevertheless read less: it ends early, or needs no entities.
  bool index_may_cost_less(const std::string& property) const;

  // What the keys of the rows begin with that are to be joined.
  std::vector<std::string> prefixes_of(const Conjunction& conjunction) const;
  // Of the rows whose keys begin with the prefix, those that the conditions on keys leave, and the cursor if
  // `from_start`.
  KeyRange path_range(const Conjunction& conjunction, const std::string& prefix, bool from_start, bool backwards) const;
  // Whether the joins say what the results are, all but the entity.
  bool covers_paths() const;

  // Whether the index of the first order has the order of the results: within one value, it is that of keys.
  bool index_has_order() const;
  // The parts of a property's index.
  Intervals intervals_of(const std::string& property) const;
  // Where the start cursor is in the index of an order.
  std::optional<IndexScan::Start> start_of(std::size_t order, bool streams) const;
  // Whether an entry that meets the equalities says what the result is, all but the entity: if it is the entity's only
  // one, or if each entry is a result.
  bool covers_entries(const std::string& property) const;

  // Of a result's key, or of a property that has the same value in all results.
  std::string known_component(const std::string& property, const std::string& path) const;

 private:
  const QueryPlan& plan_;
  const std::string keys_;
  const bool any_order_;
  const bool takes_all_;
  // The orders but those by a property that has the same value in all results. __key__ is one.
  std::vector<std::size_t> deciding_{};
  std::size_t key_order_ = 0;  // where __key__ is among the orders
};

}  // namespace ndb::local
