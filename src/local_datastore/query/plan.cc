#include "local_datastore/query/plan.h"

#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"
#include "local_datastore/query/cursor.h"

namespace ndb::local {
namespace {

absl::Status invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status check_count(std::string_view what, int count) {
  if (count <= kMaxIndexProperties) return absl::OkStatus();
  return invalid(
      cat("The query has ", count, " properties in its ", what, "; an index has at most ", kMaxIndexProperties, "."));
}

// Checks limits before any work that grows with the query.
absl::Status check_size(const v1::Query& query) {
  if (query.kind_size() > 1) return invalid("A query may have at most one kind.");
  if (query.kind_size() == 1 && query.kind(0).name().empty()) return invalid("The kind is the empty string.");
  if (query.kind_size() == 1 && query.kind(0).name().size() > kMaxNameBytes) {
    return invalid(cat("The kind is longer than ", kMaxNameBytes, " bytes."));
  }
  if (query.has_find_nearest()) return absl::UnimplementedError("The local Datastore has no vector search.");
  if (query.order_size() > kMaxFiltersAndOrders) {
    return invalid(cat("The query has more than ", kMaxFiltersAndOrders, " filters and orders."));
  }
  NDB_RETURN_IF_ERROR(check_count("projection", query.projection_size()));
  NDB_RETURN_IF_ERROR(check_count("distinct_on", query.distinct_on_size()));
  if (query.has_filter()) NDB_RETURN_IF_ERROR(check_filter_size(query.filter(), query.order_size()));
  return absl::OkStatus();
}

bool has_order(const QueryPlan& plan, std::string_view property) {
  return std::any_of(plan.orders.begin(), plan.orders.end(),
                     [property](const Order& order) { return order.property == property; });
}

void add_order(QueryPlan& plan, const std::string& property, bool descending = false) {
  if (!has_order(plan, property)) plan.orders.push_back({property, descending});
}

absl::Status check_kindless(const v1::Query& query, const QueryPlan& plan) {
  if (!plan.kind.empty()) return absl::OkStatus();
  for (const Conjunction& conjunction : plan.any_of) {
    for (const auto& [property, condition] : conjunction.conditions) {
      if (property != kKeyProperty) return invalid("kind is required for non-__key__ filters");
    }
  }
  for (const v1::PropertyOrder& order : query.order()) {
    if (order.property().name() != kKeyProperty || order.direction() == v1::PropertyOrder::DESCENDING) {
      return invalid("kind is required for all orders except __key__ ascending");
    }
  }
  if (!plan.projection.empty() || plan.distinct > 0) return invalid("kind is required for non-__key__ projections");
  return absl::OkStatus();
}

bool has_equality(const QueryPlan& plan, const std::string& property) {
  return std::any_of(plan.any_of.begin(), plan.any_of.end(), [&property](const Conjunction& conjunction) {
    const auto condition = conjunction.conditions.find(property);
    return condition != conjunction.conditions.end() && !condition->second.equals.empty();
  });
}

absl::Status plan_projection(const v1::Query& query, QueryPlan& plan) {
  std::set<std::string_view> seen;
  for (const v1::Projection& projection : query.projection()) {
    const std::string& property = projection.property().name();
    if (!seen.insert(property).second) return invalid("cannot project a property multiple times");
    if (property == kKeyProperty) {
      plan.keys_only = query.projection_size() == 1;
      continue;
    }
    if (property.empty()) return invalid("A projection must name its property.");
    NDB_RETURN_IF_ERROR(check_property_reference(property));
    if (is_reserved(property)) return invalid(cat("projections are not supported for the property: ", property));
    if (has_equality(plan, property)) {
      return invalid("cannot use projection on a property with an equality filter");
    }
    plan.projection.push_back(property);
  }
  return absl::OkStatus();
}

absl::Status plan_distinct(const v1::Query& query, QueryPlan& plan) {
  std::set<std::string> distinct;
  for (const v1::PropertyReference& reference : query.distinct_on()) {
    NDB_RETURN_IF_ERROR(check_property_reference(reference.name()));
    if (reference.name().empty() || is_reserved(reference.name())) {
      return invalid(cat("distinct_on is not supported for the property: ", reference.name()));
    }
    distinct.insert(reference.name());
    add_order(plan, reference.name());
  }
  plan.distinct = distinct.size();
  for (std::size_t i = 0; i < plan.distinct; ++i) {
    if (!distinct.contains(plan.orders[i].property)) {
      return invalid("The properties of distinct_on must come before other properties in the order.");
    }
  }
  return absl::OkStatus();
}

absl::Status plan_orders(const v1::Query& query, const std::set<std::string>& inequalities, QueryPlan& plan) {
  for (const v1::PropertyOrder& order : query.order()) {
    const std::string& property = order.property().name();
    if (property.empty()) return invalid("An order must name its property.");
    NDB_RETURN_IF_ERROR(check_property_reference(property));
    add_order(plan, property, order.direction() == v1::PropertyOrder::DESCENDING);
    if (property == kKeyProperty) break;  // later orders decide nothing
  }
  const bool by_key = has_order(plan, kKeyProperty);
  if (!by_key) {
    for (const std::string& property : inequalities) add_order(plan, property);
  }
  plan.sorted = plan.orders.size();
  if (!by_key) {
    for (const std::string& property : plan.sums) add_order(plan, property);
  }
  NDB_RETURN_IF_ERROR(plan_distinct(query, plan));
  for (const std::string& property : plan.projection) add_order(plan, property);
  add_order(plan, std::string(kKeyProperty));
  return absl::OkStatus();
}

void name_properties(QueryPlan& plan) {
  for (const Order& order : plan.orders) plan.required.insert(order.property);
  plan.required.insert(plan.sums.begin(), plan.sums.end());
  plan.required.erase(std::string(kKeyProperty));
  plan.properties = plan.required;
  for (const Conjunction& conjunction : plan.any_of) {
    for (const auto& [property, condition] : conjunction.conditions) plan.properties.insert(property);
  }
  plan.properties.erase(std::string(kKeyProperty));
}

absl::Status plan_window(const v1::Query& query, QueryPlan& plan) {
  if (query.offset() < 0) return invalid("The offset must not be negative.");
  if (query.limit().value() < 0) return invalid("The limit must not be negative.");
  plan.offset = query.offset();
  if (query.has_limit()) plan.limit = query.limit().value();
  if (!query.start_cursor().empty()) {
    NDB_ASSIGN_OR_RETURN(plan.start, decode_cursor(plan, query.start_cursor()));
  }
  if (!query.end_cursor().empty()) {
    NDB_ASSIGN_OR_RETURN(plan.end, decode_cursor(plan, query.end_cursor()));
  }
  return absl::OkStatus();
}

// Directions are not included, since a cursor contains them.
std::uint64_t signature_of(const QueryPlan& plan) {
  std::string text = plan.partition + plan.kind;
  for (const Conjunction& conjunction : plan.any_of) {
    text += '|';
    for (const std::string& ancestor : conjunction.ancestors) text += cat('^', ancestor);
    for (const auto& [property, condition] : conjunction.conditions) {
      text += property;
      for (const std::string& value : condition.equals) text += cat('=', value);
      for (const Interval& interval : condition.within.value_or(Intervals{})) {
        text += cat('<', interval.begin, '>', interval.end);
      }
    }
  }
  for (const Order& order : plan.orders) text += cat('/', order.property);
  return load_le<std::uint64_t>(sha256(text));
}

}  // namespace

absl::StatusOr<QueryPlan> plan_query(v1::Query& query, v1::PartitionId& partition, const Scope& scope,
                                     const std::vector<std::string>& sums) {
  NDB_RETURN_IF_ERROR(check_size(query));
  QueryPlan plan;
  if (query.kind_size() == 1) plan.kind = query.kind(0).name();
  const bool of_namespaces = plan.kind == "__namespace__";
  if (of_namespaces) partition.clear_namespace_id();  // namespaces are in none
  NDB_RETURN_IF_ERROR(check_partition(partition, scope));
  plan.partition_id = partition;
  plan.partition = encode_partition(partition);
  plan.sums = sums;
  NormalFilter filter{.any_of = {Conjunction()}};
  if (query.has_filter()) {
    NDB_ASSIGN_OR_RETURN(filter,
                         normalize_filter(*query.mutable_filter(),
                                          {.scope = scope, .partition = partition, .of_namespaces = of_namespaces}));
  }
  plan.any_of = std::move(filter.any_of);
  NDB_RETURN_IF_ERROR(plan_projection(query, plan));
  NDB_RETURN_IF_ERROR(plan_orders(query, filter.inequalities, plan));
  NDB_RETURN_IF_ERROR(check_kindless(query, plan));
  name_properties(plan);
  plan.signature = signature_of(plan);
  NDB_RETURN_IF_ERROR(plan_window(query, plan));
  return plan;
}

}  // namespace ndb::local
