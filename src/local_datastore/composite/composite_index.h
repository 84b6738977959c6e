// Composite indexes: which ones a query needs in the cloud. Here every query runs without them.
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

// What one of a query's alternatives needs. An index for it has equalities first, and then all the rest. Several
// indexes that end alike are joined, so their equalities together count.
struct IndexNeed {
  std::string kind;
  bool ancestor = false;
  std::set<std::string> equalities{};     // in any order and direction
  std::vector<IndexedProperty> sorted{};  // in this order
  std::set<std::string> distinct{};       // behind those, as equalities
  std::set<std::string> existing{};       // behind those: what is projected or added up

  bool is_met_by(std::span<const CompositeIndex> indexes) const;
  CompositeIndex recommended() const;  // the smallest one that is enough alone
};

// Empty: what every Datastore has is enough. These are the kinds, one index per property in each direction, and joins
// of equalities, all also below an ancestor, as long as nothing else orders the rows.
std::vector<IndexNeed> index_needs(const QueryPlan& plan);

}  // namespace ndb::local
