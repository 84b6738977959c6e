// Which parts of which indexes have the rows of a plan, and what their entries say of them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

inline constexpr std::size_t kAllRows = static_cast<std::size_t>(-1);
inline constexpr std::size_t kAnyOrder = kAllRows - 1;

// By path are the kind's entities, or the joins of the equality filters; by value, the index of a property.
class QueryAccess {
 public:
  // The caller takes at most `needed` rows; kAnyOrder: all, in whatever order. `plan` outlives this.
  QueryAccess(const QueryPlan& plan, std::size_t needed);

  bool any_order() const { return any_order_; }
  // The number of the first order that decides something.
  std::size_t first_order() const { return deciding_.front(); }
  std::string_view keys_of_partition() const { return keys_; }

  // Whether an equality, an ancestor or a key leaves few entities to look at.
  bool few_by_path() const;
  // Whether the index of a property may be less to look at than that: it ends early, or says what entities would.
  bool pays_by_value(const std::string& property) const;

  // The spaces to join.
  std::vector<std::string> spaces_of(const Conjunction& conjunction) const;
  // A part of a space that has all which the conditions on keys, and the cursor, leave to look at.
  KeyRange path_range(const Conjunction& conjunction, const std::string& space, bool from_start, bool backwards) const;
  // Whether the joins say which rows there are, and all of them but the entity.
  bool covers_paths() const;

  // Whether the index of the first order has the order of the rows: within one value, it is that of keys.
  bool index_has_order() const;
  // The parts of a property's index.
  Intervals intervals_of(const std::string& property) const;
  // Where the cursor is in the index of an order.
  std::optional<ValueScan::Start> start_of(std::size_t order, bool streams) const;
  // Whether an entry that meets the equalities is a row, of which it says all but the entity, if the entity has no
  // other entry that could be the row, or each one is a row.
  bool covers_entries(const std::string& property) const;

  // Of a row's key, or of a property that has the same value in all rows.
  std::string known_component(const std::string& property, const std::string& path) const;

 private:
  const QueryPlan& plan_;
  const std::string keys_;
  const bool any_order_;
  const bool takes_all_;
  // The orders but those by a property that has the same value in all rows. __key__ is one.
  std::vector<std::size_t> deciding_{};
  std::size_t key_order_ = 0;  // where __key__ is among the orders
};

}  // namespace ndb::local
