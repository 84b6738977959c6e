#include "local_datastore/query/access.h"

#include <algorithm>

#include "base/strings.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {
namespace {

const PropertyCondition* condition_on(const Conjunction& conjunction, std::string_view property) {
  const auto found = conjunction.conditions.find(std::string(property));
  return found == conjunction.conditions.end() ? nullptr : &found->second;
}

// Whether all results have the same value of the property, so that an order by it decides nothing.
bool is_constant(const QueryPlan& plan, const std::string& property) {
  if (plan.any_of.size() != 1 || property == kKeyProperty) return false;
  const PropertyCondition* condition = condition_on(plan.any_of.front(), property);
  return condition != nullptr && condition->equals.size() == 1 && !condition->within.has_value();
}

// Whether an equality, an ancestor or a key leaves only few candidate entities.
bool is_restricted(const Conjunction& conjunction) {
  return !conjunction.ancestors.empty() || std::any_of(conjunction.conditions.begin(), conjunction.conditions.end(),
                                                       [](const auto& item) { return !item.second.equals.empty(); });
}

}  // namespace

QueryAccess::QueryAccess(const QueryPlan& plan, std::size_t needed)
    : plan_(plan),
      keys_(index_keys_of(plan.partition)),
      any_order_(needed == kAnyOrder),
      takes_all_(needed >= kAnyOrder) {
  for (std::size_t i = 0; i < plan.orders.size(); ++i) {
    if (plan.orders[i].property == kKeyProperty) key_order_ = i;
    if (!is_constant(plan, plan.orders[i].property)) deciding_.push_back(i);
  }
}

bool QueryAccess::is_selective() const { return std::all_of(plan_.any_of.begin(), plan_.any_of.end(), is_restricted); }

bool QueryAccess::index_may_cost_less(const std::string& property) const {
  return !takes_all_ || covers_entries(property) ||
         std::all_of(plan_.any_of.begin(), plan_.any_of.end(), [&property](const Conjunction& conjunction) {
           const PropertyCondition* condition = condition_on(conjunction, property);
           return condition != nullptr && condition->within.has_value();
         });
}

bool QueryAccess::covers_paths() const {
  if (!plan_.sums.empty() || !plan_.projection.empty()) return false;
  if (plan_.any_of.size() > 1 && !plan_.required.empty()) return false;
  for (const Conjunction& conjunction : plan_.any_of) {
    for (const auto& [property, condition] : conjunction.conditions) {
      if (property != kKeyProperty && condition.within.has_value()) return false;
    }
  }
  return std::all_of(plan_.required.begin(), plan_.required.end(),
                     [this](const std::string& property) { return is_constant(plan_, property); });
}

std::vector<std::string> QueryAccess::prefixes_of(const Conjunction& conjunction) const {
  std::vector<std::string> prefixes;
  for (const auto& [property, condition] : conjunction.conditions) {
    if (property == kKeyProperty) continue;
    for (const std::string& value : condition.equals) {
      prefixes.push_back(index_of(plan_.partition, plan_.kind, property) + value);
    }
  }
  if (prefixes.empty()) {
    prefixes.push_back(plan_.kind.empty() ? entities_of(plan_.partition) : members_of(plan_.partition, plan_.kind));
  }
  return prefixes;
}

KeyRange QueryAccess::path_range(const Conjunction& conjunction, const std::string& prefix, bool from_start,
                                 bool backwards) const {
  KeyRange range{prefix, after_prefix(prefix)};
  const auto narrow = [&range](const std::string& begin, const std::string& end) {
    range.begin = std::max(range.begin, begin);
    range.end = std::min(range.end, end);
  };
  const auto bound = [&](const std::string& key_bound) {
    if (key_bound <= keys_) return prefix;
    return key_bound.starts_with(keys_) ? path_bound(prefix, key_bound) : after_prefix(prefix);
  };
  for (const std::string& ancestor : conjunction.ancestors) narrow(prefix + ancestor, after_prefix(prefix + ancestor));
  if (const PropertyCondition* condition = condition_on(conjunction, kKeyProperty)) {
    for (const std::string& key : condition->equals) narrow(bound(key), after_row(bound(key)));
    if (condition->within.has_value() && condition->within->empty()) narrow(range.end, range.end);
    if (condition->within.has_value() && !condition->within->empty()) {
      narrow(bound(condition->within->front().begin), bound(condition->within->back().end));
    }
  }
  if (from_start && !plan_.start.components.empty()) {
    const std::string row = bound(plan_.start.components[key_order_]);
    backwards ? narrow(range.begin, after_row(row)) : narrow(row, range.end);
  }
  range.end = std::max(range.begin, range.end);
  return range;
}

bool QueryAccess::index_has_order() const {
  if (deciding_.size() != 2) return false;
  const Order& second = plan_.orders[deciding_[1]];
  return second.property == kKeyProperty && !second.descending;
}

bool QueryAccess::covers_entries(const std::string& property) const {
  const auto is_walked = [&property](const std::string& name) { return name == property; };
  if (plan_.any_of.size() != 1 || !std::all_of(plan_.sums.begin(), plan_.sums.end(), is_walked)) return false;
  if (!plan_.projection.empty() && (plan_.projection.size() > 1 || plan_.projection.front() != property)) return false;
  for (const auto& [name, condition] : plan_.any_of.front().conditions) {
    if (name != kKeyProperty && name != property && condition.within.has_value()) return false;
  }
  return std::all_of(plan_.required.begin(), plan_.required.end(),
                     [&](const std::string& name) { return is_walked(name) || is_constant(plan_, name); });
}

Intervals QueryAccess::intervals_of(const std::string& property) const {
  Intervals all;
  for (const Conjunction& conjunction : plan_.any_of) {
    const PropertyCondition* condition = condition_on(conjunction, property);
    if (condition == nullptr || (condition->equals.empty() && !condition->within.has_value())) return {everything()};
    Intervals some;
    for (const std::string& equal : condition->equals) {
      some.push_back({above(equal, true).begin, below(equal, true).end});
    }
    // The same choice as in ResultMaker: entries that satisfy all conditions, else those that satisfy the inequalities.
    if (condition->within.has_value()) {
      const Intervals both = intersect(some, *condition->within);
      some = both.empty() ? *condition->within : both;
    }
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  Intervals out;
  for (Interval& interval : all) {
    if (!out.empty() && interval.begin <= out.back().end) {
      out.back().end = std::max(out.back().end, interval.end);
    } else {
      out.push_back(std::move(interval));
    }
  }
  return out;
}

std::optional<IndexScan::Start> QueryAccess::start_of(std::size_t order, bool streams) const {
  if (any_order_ || plan_.start.components.empty()) return std::nullopt;
  const std::string& key = plan_.start.components[key_order_];
  const bool has_key = streams && key.starts_with(keys_);
  return IndexScan::Start{.encoded = plan_.start.components[order], .path = has_key ? key.substr(keys_.size()) : ""};
}

std::string QueryAccess::known_component(const std::string& property, const std::string& path) const {
  if (property == kKeyProperty) return cat(keys_, path);
  return *condition_on(plan_.any_of.front(), property)->equals.begin();
}

}  // namespace ndb::local
