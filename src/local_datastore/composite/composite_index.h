// Composite indexes: which ones a query needs in the cloud. The local Datastore runs every query without them.
#pragma once

#include <compare>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "local_datastore/query/plan.h"

namespace ndb::local {

struct IndexedProperty {
  std::string name;
  bool descending = false;
  auto operator<=>(const IndexedProperty&) const = default;
};

struct CompositeIndex {
  std::string kind;
  bool ancestor = false;
  std::vector<IndexedProperty> properties{};
  auto operator<=>(const CompositeIndex&) const = default;
};

// What one alternative of a query's filter needs: an index of its equalities, followed by the other members in their
// order. Several indexes that have the same end after their equalities can be joined, so that together they cover all
// equalities.
struct IndexNeed {
  std::string kind;
  bool ancestor = false;
  std::set<std::string> equalities{};     // in any order and direction
  std::vector<IndexedProperty> sorted{};  // then these, in this order
  std::set<std::string> distinct{};       // then these, in any order and direction
  std::set<std::string> existing{};       // then these likewise: projected properties, or operands of aggregations

  bool is_met_by(std::span<const CompositeIndex> indexes) const;
  CompositeIndex recommended() const;  // the smallest single index that meets the need
};

// Empty if the built-in indexes are enough: the index of the kind, one per property and direction, and zigzag joins of
// equalities, also below an ancestor, as long as nothing else orders the results.
std::vector<IndexNeed> index_needs(const QueryPlan& plan);

}  // namespace ndb::local
