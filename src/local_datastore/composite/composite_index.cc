#include "local_datastore/composite/composite_index.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "local_datastore/query/metadata.h"

namespace ndb::local {
namespace {

// After an equality on a property, an order by it decides nothing; after an equality on the key, no order does. Orders
// after the key decide nothing either, and every index ends with ascending keys.
IndexNeed need_of(const QueryPlan& plan, const Conjunction& conjunction) {
  IndexNeed need{.kind = plan.kind, .ancestor = !conjunction.ancestors.empty()};
  std::set<std::string> ranges;
  bool one_key = false;
  for (const auto& [property, condition] : conjunction.conditions) {
    if (property == kKeyProperty) {
      one_key = one_key || !condition.equals.empty();
    } else {
      (condition.within.has_value() ? ranges : need.equalities).insert(property);
    }
  }
  std::set<std::string> placed = need.equalities;
  for (std::size_t i = 0; i < plan.sorted && !one_key; ++i) {
    const Order& order = plan.orders[i];
    const bool is_key = order.property == kKeyProperty;
    if (is_key && !order.descending) break;
    if (placed.insert(order.property).second) need.sorted.push_back({order.property, order.descending});
    if (is_key) break;
  }
  for (const std::string& property : ranges) {
    if (placed.insert(property).second) need.sorted.push_back({property});
  }
  for (std::size_t i = 0; i < plan.distinct; ++i) {
    if (placed.insert(plan.orders[i].property).second) need.distinct.insert(plan.orders[i].property);
  }
  for (const auto* properties : {&plan.projection, &plan.sums}) {
    for (const std::string& property : *properties) {
      if (placed.insert(property).second) need.existing.insert(property);
    }
  }
  return need;
}

bool is_built_in(const IndexNeed& need) {
  const std::size_t behind = need.sorted.size() + need.distinct.size() + need.existing.size();
  const bool by_key = !need.sorted.empty() && need.sorted.front().name == kKeyProperty;
  return behind == 0 || (behind == 1 && !by_key && need.equalities.empty() && !need.ancestor);
}

using Properties = std::span<const IndexedProperty>;

bool are(Properties properties, const std::set<std::string>& names) {
  return std::all_of(properties.begin(), properties.end(),
                     [&names](const IndexedProperty& property) { return names.contains(property.name); });
}

bool ends_as(const IndexNeed& need, Properties end) {
  const std::size_t sorted = need.sorted.size();
  const std::size_t distinct = need.distinct.size();
  return std::ranges::equal(end.first(sorted), need.sorted) && are(end.subspan(sorted, distinct), need.distinct) &&
         are(end.subspan(sorted + distinct), need.existing);
}

}  // namespace

bool IndexNeed::is_met_by(std::span<const CompositeIndex> indexes) const {
  struct Rest {
    std::set<std::string> equalities;
    bool ancestor;
  };
  std::map<std::vector<IndexedProperty>, Rest> rests;  // by the ends of indexes
  const std::size_t behind = sorted.size() + distinct.size() + existing.size();
  for (const CompositeIndex& index : indexes) {
    if (index.kind != kind || (index.ancestor && !ancestor) || index.properties.size() < behind) continue;
    const Properties properties = index.properties;
    const Properties begin = properties.first(properties.size() - behind);
    const Properties end = properties.last(behind);
    if (!are(begin, equalities) || !ends_as(*this, end)) continue;
    Rest& rest = rests.try_emplace({end.begin(), end.end()}, equalities, ancestor).first->second;
    for (const IndexedProperty& property : begin) rest.equalities.erase(property.name);
    rest.ancestor = rest.ancestor && !index.ancestor;
    if (rest.equalities.empty() && !rest.ancestor) return true;
  }
  return false;
}

CompositeIndex IndexNeed::recommended() const {
  CompositeIndex index{.kind = kind, .ancestor = ancestor};
  for (const std::string& name : equalities) index.properties.push_back({name});
  index.properties.insert(index.properties.end(), sorted.begin(), sorted.end());
  for (const std::string& name : distinct) index.properties.push_back({name});
  for (const std::string& name : existing) index.properties.push_back({name});
  return index;
}

std::vector<IndexNeed> index_needs(const QueryPlan& plan) {
  std::vector<IndexNeed> needs;
  if (plan.kind.empty() || is_metadata(plan.kind)) return needs;
  for (const Conjunction& conjunction : plan.any_of) {
    IndexNeed need = need_of(plan, conjunction);
    if (!is_built_in(need)) needs.push_back(std::move(need));
  }
  return needs;
}

}  // namespace ndb::local
