#include "local_datastore/query/profile.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace ndb::local {
namespace {

// The properties with their directions, and whether the index includes ancestors.
using UsedIndexes = std::vector<std::pair<std::string, bool>>;

// Alternatives usually use the same indexes.
void add_index(std::string properties, bool ancestor, UsedIndexes& out) {
  std::pair<std::string, bool> index(std::move(properties), ancestor);
  if (std::find(out.begin(), out.end(), index) == out.end()) out.push_back(std::move(index));
}

std::string name_of(const std::string& property, bool descending) {
  return cat(property == kKeyProperty ? "__name__" : property, descending ? " DESC" : " ASC");
}

// The indexes for one conjunction: one for all orders, or one for each equality, which are joined.
void add_indexes(const QueryPlan& plan, const Conjunction& conjunction, UsedIndexes& out) {
  std::string orders;
  for (const Order& order : plan.orders) {
    if (order.property == kKeyProperty) break;
    const auto found = conjunction.conditions.find(order.property);
    if (found != conjunction.conditions.end() && !found->second.equals.empty()) continue;
    orders += name_of(order.property, order.descending) + ", ";
  }
  const auto key = std::find_if(plan.orders.begin(), plan.orders.end(),
                                [](const Order& order) { return order.property == kKeyProperty; });
  orders += name_of(std::string(kKeyProperty), key != plan.orders.end() && key->descending);
  bool joined = false;
  for (const auto& [property, condition] : conjunction.conditions) {
    if (property == kKeyProperty || condition.equals.empty()) continue;
    joined = true;
    add_index(cat(name_of(property, false), ", ", orders), !conjunction.ancestors.empty(), out);
  }
  if (!joined) add_index(orders, !conjunction.ancestors.empty() && orders.find(',') != std::string::npos, out);
}

}  // namespace

void QueryProfile::explain(v1::ExplainMetrics& out) const {
  UsedIndexes used;
  for (const Conjunction& conjunction : plan_.any_of) add_indexes(plan_, conjunction, used);
  for (const auto& [properties, ancestor] : used) {
    auto& fields = *out.mutable_plan_summary()->add_indexes_used()->mutable_fields();
    fields["properties"].set_string_value(cat('(', properties, ')'));
    fields["query_scope"].set_string_value(ancestor ? "Includes ancestors" : "Collection group");
  }
}

// An aggregation is billed per thousand index entries, a query per entity.
void QueryProfile::analyze(std::int64_t results, v1::ExplainMetrics& out) const {
  v1::ExecutionStats& stats = *out.mutable_execution_stats();
  const std::int64_t operations =
      plan_.aggregates ? std::max<std::int64_t>((stats_.index_rows + stats_.entities + 999) / 1000, 1) : results;
  stats.set_results_returned(results);
  stats.set_read_operations(operations);
  const auto nanos = std::max<std::int64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.monotonic() - began_).count(), 1);
  stats.mutable_execution_duration()->set_seconds(nanos / 1'000'000'000);
  stats.mutable_execution_duration()->set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
  auto& fields = *stats.mutable_debug_stats()->mutable_fields();
  fields["documents_scanned"].set_string_value(std::to_string(stats_.entities));
  fields["index_entries_scanned"].set_string_value(std::to_string(stats_.index_rows));
  auto& bill = *fields["billing_details"].mutable_struct_value()->mutable_fields();
  const bool small = plan_.keys_only && !plan_.aggregates;
  bill["documents_billable"].set_string_value(std::to_string(plan_.aggregates || small ? 0 : results));
  bill["index_entries_billable"].set_string_value(std::to_string(plan_.aggregates ? stats_.index_rows : 0));
  bill["small_ops"].set_string_value(std::to_string(small ? results : 0));
  bill["min_query_cost"].set_string_value("0");
}

}  // namespace ndb::local
