#include "local_datastore/query/plan.h"

#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::size_t kMaxDisjuncts = 30;
constexpr int kMaxFilters = 100;
constexpr int kMaxNotIn = 10;
constexpr int kMaxFilterDepth = 50;

absl::Status invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

using Disjunction = std::vector<Conjunction>;

void merge(Conjunction& into, const Conjunction& other) {
  into.ancestors.insert(into.ancestors.end(), other.ancestors.begin(), other.ancestors.end());
  for (const auto& [property, condition] : other.conditions) {
    PropertyCondition& own = into.conditions[property];
    own.equals.insert(condition.equals.begin(), condition.equals.end());
    if (condition.within.has_value()) {
      own.within = own.within.has_value() ? intersect(*own.within, *condition.within) : *condition.within;
    }
  }
}

// Turns a filter into alternatives of plain conditions.
class FilterNormalizer {
 public:
  FilterNormalizer(const v1::PartitionId& partition, const Scope& scope, int orders)
      : partition_(partition), scope_(scope), orders_(orders) {}

  absl::StatusOr<Disjunction> normalize(v1::Filter& filter, int depth = 0) {
    if (depth > kMaxFilterDepth) return invalid("The filter is nested too deeply.");
    if (filter.has_property_filter()) return normalize_property(*filter.mutable_property_filter());
    if (!filter.has_composite_filter()) return invalid("A filter must be a property filter or a composite filter.");
    v1::CompositeFilter& composite = *filter.mutable_composite_filter();
    if (composite.filters().empty()) return invalid("A composite filter must have at least one sub-filter.");
    if (composite.op() != v1::CompositeFilter::AND && composite.op() != v1::CompositeFilter::OR) {
      return invalid("A composite filter must have an operator: AND or OR.");
    }
    const bool conjunction = composite.op() == v1::CompositeFilter::AND;
    Disjunction out;
    if (conjunction) out.emplace_back();
    for (v1::Filter& part : *composite.mutable_filters()) {
      NDB_ASSIGN_OR_RETURN(Disjunction alternatives, normalize(part, depth + 1));
      if (conjunction) {
        out = product(out, alternatives);
      } else {
        uses_or_ |= composite.filters_size() > 1;
        std::move(alternatives.begin(), alternatives.end(), std::back_inserter(out));
      }
      if (out.size() > kMaxDisjuncts) {
        return invalid(cat("The query has more than ", kMaxDisjuncts, " disjunctions after normalization."));
      }
    }
    return out;
  }

  absl::Status check_combinations() const {
    if (filters_ + orders_ > kMaxFilters) {
      return invalid(cat("The query has more than ", kMaxFilters, " filters and orders."));
    }
    if (not_equals_ > 1) return invalid("A query may have at most one != filter.");
    if (not_ins_ > 1 || (not_ins_ == 1 && (uses_or_ || not_equals_ > 0))) {
      return invalid("A NOT_IN filter cannot be combined with OR, IN, != or another NOT_IN.");
    }
    return absl::OkStatus();
  }

  // Properties with an inequality, which order the rows where nothing else does.
  const std::set<std::string>& inequalities() const { return inequalities_; }

 private:
  static Disjunction product(const Disjunction& a, const Disjunction& b) {
    Disjunction out;
    for (const Conjunction& x : a) {
      for (const Conjunction& y : b) merge(out.emplace_back(x), y);
    }
    return out;
  }

  absl::StatusOr<Disjunction> normalize_property(v1::PropertyFilter& filter) {
    ++filters_;
    const std::string& property = filter.property().name();
    if (property.empty()) return invalid("A property filter must name its property.");
    if (is_reserved(property) && property != kKeyProperty && property != "__scatter__") {
      return invalid(cat("The property.name \"", property, "\" is reserved."));
    }
    v1::Value& value = *filter.mutable_value();
    if (filter.op() == v1::PropertyFilter::HAS_ANCESTOR) return normalize_ancestor(property, value);
    if (filter.op() == v1::PropertyFilter::IN || filter.op() == v1::PropertyFilter::NOT_IN) {
      return normalize_list(property, filter.op(), value);
    }
    NDB_ASSIGN_OR_RETURN(const std::string encoded, operand(property, value));
    Conjunction out;
    PropertyCondition& condition = out.conditions[property];
    if (filter.op() == v1::PropertyFilter::EQUAL) {
      condition.equals.insert(encoded);
    } else {
      NDB_ASSIGN_OR_RETURN(condition.within, inequality(filter.op(), encoded));
      not_equals_ += filter.op() == v1::PropertyFilter::NOT_EQUAL ? 1 : 0;
      inequalities_.insert(property);
    }
    return Disjunction{out};
  }

  static absl::StatusOr<Intervals> inequality(v1::PropertyFilter::Operator op, const std::string& encoded) {
    switch (op) {
      case v1::PropertyFilter::LESS_THAN:
        return Intervals{below(encoded, false)};
      case v1::PropertyFilter::LESS_THAN_OR_EQUAL:
        return Intervals{below(encoded, true)};
      case v1::PropertyFilter::GREATER_THAN:
        return Intervals{above(encoded, false)};
      case v1::PropertyFilter::GREATER_THAN_OR_EQUAL:
        return Intervals{above(encoded, true)};
      case v1::PropertyFilter::NOT_EQUAL:
        return all_but({encoded});
      default:
        return invalid("A property filter must have an operator.");
    }
  }

  absl::StatusOr<Disjunction> normalize_list(const std::string& property, v1::PropertyFilter::Operator op,
                                             v1::Value& value) {
    const bool in = op == v1::PropertyFilter::IN;
    if (value.array_value().values().empty()) {
      return invalid(
          cat("'", in ? "IN" : "NOT_IN", "' property filter for '", property, "' requires a non-empty ArrayValue"));
    }
    std::set<std::string> encoded;
    for (v1::Value& element : *value.mutable_array_value()->mutable_values()) {
      NDB_ASSIGN_OR_RETURN(std::string one, operand(property, element));
      encoded.insert(std::move(one));
    }
    Disjunction out;
    if (in) {
      uses_or_ = true;
      for (const std::string& one : encoded) out.emplace_back().conditions[property].equals.insert(one);
      if (out.size() > kMaxDisjuncts) {
        return invalid(cat("The query has more than ", kMaxDisjuncts, " disjunctions after normalization."));
      }
    } else {
      if (value.array_value().values_size() > kMaxNotIn) {
        return invalid(cat("A NOT_IN filter may list at most ", kMaxNotIn, " values."));
      }
      ++not_ins_;
      inequalities_.insert(property);
      out.emplace_back().conditions[property].within = all_but(encoded);
    }
    return out;
  }

  absl::StatusOr<Disjunction> normalize_ancestor(const std::string& property, v1::Value& value) {
    if (property != kKeyProperty) return invalid("HAS_ANCESTOR is a filter on __key__.");
    NDB_RETURN_IF_ERROR(check_key_operand(value));
    Conjunction out;
    out.ancestors.push_back(encode_path_prefix(value.key_value()));
    return Disjunction{out};
  }

  absl::Status check_key_operand(v1::Value& value) {
    if (!value.has_key_value()) return invalid("__key__ filter value must be a Key");
    NDB_RETURN_IF_ERROR(check_key(*value.mutable_key_value(), scope_, KeyUse::kRead));
    const std::string& name_space = value.key_value().partition_id().namespace_id();
    if (name_space != partition_.namespace_id()) {
      return invalid(cat("The query is in the namespace ", quoted(partition_.namespace_id()),
                         ", but the key in its filter is in ", quoted(name_space), "."));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> operand(const std::string& property, v1::Value& value) {
    if (property == kKeyProperty) {
      NDB_RETURN_IF_ERROR(check_key_operand(value));
    } else if (value.has_array_value() || value.has_entity_value()) {
      return invalid(
          cat("The filter on property \"", property, "\" compares with an array or an entity; those are not indexed."));
    } else {
      NDB_RETURN_IF_ERROR(check_operand(value, scope_));
    }
    return index_value(value);
  }

  const v1::PartitionId& partition_;
  const Scope& scope_;
  const int orders_;
  std::set<std::string> inequalities_;
  int filters_ = 0;
  int not_equals_ = 0;
  int not_ins_ = 0;
  bool uses_or_ = false;
};

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

absl::Status plan_projection(const v1::Query& query, QueryPlan& plan) {
  bool has_key = false;
  for (const v1::Projection& projection : query.projection()) {
    const std::string& property = projection.property().name();
    if (property == kKeyProperty) {
      if (has_key) return invalid("cannot project a property multiple times");
      has_key = true;
      plan.keys_only = query.projection_size() == 1;
      continue;
    }
    if (property.empty()) return invalid("A projection must name its property.");
    if (is_reserved(property)) return invalid(cat("projections are not supported for the property: ", property));
    if (std::count(plan.projection.begin(), plan.projection.end(), property) > 0) {
      return invalid("cannot project a property multiple times");
    }
    for (const Conjunction& conjunction : plan.any_of) {
      const auto condition = conjunction.conditions.find(property);
      if (condition != conjunction.conditions.end() && !condition->second.equals.empty()) {
        return invalid("cannot use projection on a property with an equality filter");
      }
    }
    plan.projection.push_back(property);
  }
  return absl::OkStatus();
}

absl::Status plan_orders(const v1::Query& query, const std::set<std::string>& inequalities,
                         const std::vector<std::string>& sums, QueryPlan& plan) {
  for (const v1::PropertyOrder& order : query.order()) {
    const std::string& property = order.property().name();
    if (property.empty()) return invalid("An order must name its property.");
    add_order(plan, property, order.direction() == v1::PropertyOrder::DESCENDING);
    if (property == kKeyProperty) break;  // nothing after it matters
  }
  const bool by_key = has_order(plan, kKeyProperty);
  if (!by_key) {
    for (const std::string& property : inequalities) add_order(plan, property);
  }
  plan.sorted = plan.orders.size();
  if (!by_key) {
    for (const std::string& property : sums) add_order(plan, property);
  }
  std::set<std::string> distinct;
  for (const v1::PropertyReference& reference : query.distinct_on()) {
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
  for (const std::string& property : plan.projection) add_order(plan, property);
  add_order(plan, std::string(kKeyProperty));
  return absl::OkStatus();
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

// Directions are left out, since a cursor says them itself.
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
  // Namespaces are in none.
  if (query.kind_size() == 1 && query.kind(0).name() == "__namespace__") partition.clear_namespace_id();
  NDB_RETURN_IF_ERROR(check_partition(partition, scope));
  if (query.kind_size() > 1) return invalid("A query may have at most one kind.");
  if (query.has_find_nearest()) return absl::UnimplementedError("The local Datastore has no vector search.");
  QueryPlan plan;
  plan.partition_id = partition;
  plan.partition = encode_partition(partition);
  if (query.kind_size() == 1) plan.kind = query.kind(0).name();
  if (query.kind_size() == 1 && plan.kind.empty()) return invalid("The kind is the empty string.");
  FilterNormalizer normalizer(partition, scope, query.order_size());
  plan.any_of.emplace_back();
  if (query.has_filter()) {
    NDB_ASSIGN_OR_RETURN(plan.any_of, normalizer.normalize(*query.mutable_filter()));
  }
  NDB_RETURN_IF_ERROR(normalizer.check_combinations());
  NDB_RETURN_IF_ERROR(plan_projection(query, plan));
  NDB_RETURN_IF_ERROR(plan_orders(query, normalizer.inequalities(), sums, plan));
  NDB_RETURN_IF_ERROR(check_kindless(query, plan));
  plan.sums = sums;
  for (const Order& order : plan.orders) plan.required.insert(order.property);
  plan.required.insert(sums.begin(), sums.end());
  plan.required.erase(std::string(kKeyProperty));
  plan.properties = plan.required;
  for (const Conjunction& conjunction : plan.any_of) {
    for (const auto& [property, condition] : conjunction.conditions) plan.properties.insert(property);
  }
  plan.properties.erase(std::string(kKeyProperty));
  plan.signature = signature_of(plan);
  NDB_RETURN_IF_ERROR(plan_window(query, plan));
  return plan;
}

std::string position_bytes(const QueryPlan& plan, const std::vector<std::string>& components) {
  std::string out;
  for (std::size_t i = 0; i < components.size(); ++i) {
    const std::size_t begin = out.size();
    out += components[i];
    if (!plan.orders[i].descending) continue;
    for (std::size_t at = begin; at < out.size(); ++at) out[at] = static_cast<char>(~out[at]);
  }
  return out;
}

// A byte for the format, the signature, then per component its direction, length and bytes.
std::string encode_cursor(const QueryPlan& plan, const std::vector<std::string>& components) {
  std::string out(1, '\1');
  append_le(out, plan.signature);
  for (std::size_t i = 0; i < components.size(); ++i) {
    out.push_back(plan.orders[i].descending ? '\1' : '\0');
    append_le(out, static_cast<std::uint32_t>(components[i].size()));
    out += components[i];
  }
  return out;
}

absl::StatusOr<QueryPosition> decode_cursor(const QueryPlan& plan, std::string_view cursor) {
  absl::Status mismatch = invalid("cursor does not match query");
  constexpr std::size_t kHeader = 9;
  if (cursor.size() < kHeader || cursor[0] != '\1') return invalid("The cursor is damaged.");
  if (load_le<std::uint64_t>(cursor, 1) != plan.signature) return mismatch;
  cursor.remove_prefix(kHeader);
  QueryPosition out;
  std::size_t same_direction = 0;
  while (!cursor.empty()) {
    constexpr std::size_t kComponentHeader = 5;
    if (cursor.size() < kComponentHeader || out.components.size() == plan.orders.size()) return mismatch;
    const bool descending = cursor[0] != '\0';
    const std::size_t size = load_le<std::uint32_t>(cursor, 1);
    cursor.remove_prefix(kComponentHeader);
    if (cursor.size() < size) return mismatch;
    same_direction += descending == plan.orders[out.components.size()].descending ? 1 : 0;
    out.components.emplace_back(cursor.substr(0, size));
    cursor.remove_prefix(size);
  }
  if (out.components.empty()) return out;
  if (out.components.size() != plan.orders.size()) return mismatch;
  // Reversed, the row that the cursor is behind of comes next.
  if (same_direction != plan.orders.size() && same_direction != 0) return mismatch;
  out.exclusive = same_direction != 0;
  out.bytes = position_bytes(plan, out.components);
  return out;
}

}  // namespace ndb::local
