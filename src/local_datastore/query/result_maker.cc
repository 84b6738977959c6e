#include "local_datastore/query/result_maker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"
#include "local_datastore/query/cursor.h"

namespace ndb::local {
namespace {

bool satisfies(const PropertyCondition& condition, const std::string& encoded) {
  if (!condition.equals.empty() && !condition.equals.contains(encoded)) return false;
  return !condition.within.has_value() || contains(*condition.within, encoded);
}

// `entries` are sorted by value.
bool has_value(const std::vector<IndexEntry>& entries, const std::string& encoded) {
  const auto found = std::lower_bound(entries.begin(), entries.end(), encoded,
                                      [](const IndexEntry& entry, const std::string& e) { return entry.encoded < e; });
  return found != entries.end() && found->encoded == encoded;
}

}  // namespace

bool allows_path(const Conjunction& conjunction, std::string_view keys_of_partition, std::string_view path) {
  for (const std::string& ancestor : conjunction.ancestors) {
    if (!path.starts_with(ancestor)) return false;
  }
  const auto found = conjunction.conditions.find(std::string(kKeyProperty));
  if (found == conjunction.conditions.end()) return true;
  return found->second.equals.size() <= 1 && satisfies(found->second, cat(keys_of_partition, path));
}

ResultMaker::ResultMaker(const QueryPlan& plan) : plan_(plan), keys_(index_keys_of(plan.partition)) {
  for (const std::string& property : plan.projection) {
    const auto order = std::find_if(plan.orders.begin(), plan.orders.end(),
                                    [&property](const Order& each) { return each.property == property; });
    projected_orders_.push_back(static_cast<std::size_t>(order - plan.orders.begin()));
  }
}

absl::Status ResultMaker::make(const StoredEntity& stored, std::string_view path, std::vector<QueryResult>& results) {
  results.clear();
  path_ = path;
  entries_.clear();
  if (!plan_.properties.empty()) {
    if (!entity_.ParseFromArray(stored.entity.data(), static_cast<int>(stored.entity.size()))) {
      return absl::DataLossError("a stored entity is damaged");
    }
    entries_ = index_entries(entity_, plan_.properties);
  }
  const bool has_all = std::all_of(plan_.required.begin(), plan_.required.end(),
                                   [this](const std::string& name) { return entries_.contains(name); });
  if (!has_all) return absl::OkStatus();
  for (const Conjunction& conjunction : plan_.any_of) {
    if (!matches(conjunction)) continue;
    NDB_RETURN_IF_ERROR(add_results(conjunction, results));
    keep_distinct(results);
  }
  std::vector<Sum> sums(plan_.sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (const IndexEntry& entry : entries_.find(plan_.sums[i])->second) sums[i].add(entry);
  }
  for (QueryResult& result : results) {
    result.stored = stored;
    result.path = path;
    result.sums = sums;
  }
  return absl::OkStatus();
}

bool ResultMaker::matches(const Conjunction& conjunction) const {
  return allows_path(conjunction, keys_, path_) &&
         std::all_of(conjunction.conditions.begin(), conjunction.conditions.end(), [this](const auto& item) {
           return item.first == kKeyProperty || matches(item.first, item.second);
         });
}

bool ResultMaker::matches(const std::string& property, const PropertyCondition& condition) const {
  const auto found = entries_.find(property);
  if (found == entries_.end()) return false;
  const std::vector<IndexEntry>& entries = found->second;
  const bool has_all = std::all_of(condition.equals.begin(), condition.equals.end(),
                                   [&entries](const std::string& wanted) { return has_value(entries, wanted); });
  if (!has_all) return false;
  return !condition.within.has_value() ||
         std::any_of(entries.begin(), entries.end(),
                     [&condition](const IndexEntry& entry) { return contains(*condition.within, entry.encoded); });
}

// The entries of a property that satisfy the conjunction's condition on it. If equalities and inequalities hold for
// different entries, the inequalities decide, because results are found in their range of the index.
std::vector<const IndexEntry*> ResultMaker::candidates(const Conjunction& conjunction,
                                                       const std::string& property) const {
  std::vector<const IndexEntry*> out;
  const std::vector<IndexEntry>& entries = entries_.find(property)->second;
  const auto condition = conjunction.conditions.find(property);
  for (const IndexEntry& entry : entries) {
    if (condition == conjunction.conditions.end() || satisfies(condition->second, entry.encoded)) out.push_back(&entry);
  }
  if (!out.empty()) return out;
  for (const IndexEntry& entry : entries) {
    if (contains(*condition->second.within, entry.encoded)) out.push_back(&entry);
  }
  return out;
}

absl::Status ResultMaker::add_results(const Conjunction& conjunction, std::vector<QueryResult>& results) const {
  std::vector<std::string> components;
  for (const Order& order : plan_.orders) {
    if (order.property == kKeyProperty) {
      components.push_back(cat(keys_, path_));
    } else {
      const std::vector<const IndexEntry*> entries = candidates(conjunction, order.property);
      components.push_back((order.descending ? entries.back() : entries.front())->encoded);
    }
  }
  Choices choices;
  for (const std::string& property : plan_.projection) choices.push_back(candidates(conjunction, property));
  NDB_ASSIGN_OR_RETURN(const std::size_t count, count_combinations(choices, components));
  for (std::size_t i = 0; i < count; ++i) results.push_back(make_result(components, choices, i));
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> ResultMaker::count_combinations(const Choices& choices,
                                                            const std::vector<std::string>& components) const {
  std::size_t count = 1;
  for (const auto& choice : choices) {
    count *= choice.size();
    if (count > kMaxCompositeEntries) {
      return absl::InvalidArgumentError(cat("The projection has more than ", kMaxCompositeEntries,
                                            " combinations of the values of ", describe_path(entity_.key()),
                                            "; an entity may have no more entries in a composite index."));
    }
  }
  if (choices.size() < 2) return count;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < components.size(); ++i) {
    if (plan_.orders[i].property != kKeyProperty) bytes += count * components[i].size();
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    bytes -= count * components[projected_orders_[i]].size();
    for (const IndexEntry* choice : choices[i]) bytes += count / choices[i].size() * choice->encoded.size();
  }
  if (bytes > kMaxCompositeBytes) {
    return absl::InvalidArgumentError(
        cat("The projection has combinations of the values of ", describe_path(entity_.key()), " that take ", bytes,
            " bytes; an entity may have at most ", kMaxCompositeBytes, " in a composite index."));
  }
  return count;
}

// The result with the choice for each projected property that the digits of `number` select.
QueryResult ResultMaker::make_result(std::vector<std::string> components, const Choices& choices,
                                     std::size_t number) const {
  QueryResult result;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const IndexEntry& choice = *choices[i][number % choices[i].size()];
    number /= choices[i].size();
    result.projected.push_back(choice.copy());
    components[projected_orders_[i]] = choice.encoded;
  }
  result.sort_key = sort_key(plan_, components);
  result.components = std::move(components);
  return result;
}

// Alternatives may yield equal results at different places.
void ResultMaker::keep_distinct(std::vector<QueryResult>& results) const {
  if (results.size() < 2) return;
  std::sort(results.begin(), results.end(),
            [](const QueryResult& a, const QueryResult& b) { return a.sort_key < b.sort_key; });
  std::set<std::string> said;
  std::erase_if(results, [&](const QueryResult& result) {
    std::string projected;
    for (const std::size_t order : projected_orders_) projected += result.components[order];
    return !said.insert(std::move(projected)).second;
  });
}

}  // namespace ndb::local
