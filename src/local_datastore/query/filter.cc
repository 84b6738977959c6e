#include "local_datastore/query/filter.h"

#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

using Disjunction = std::vector<Conjunction>;

absl::Status invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status too_many_disjunctions() {
  return invalid(cat("The query has more than ", kMaxDisjunctions, " disjunctions after normalization."));
}

// Counts the property filters, up to `most`.
absl::Status count_filters(const v1::Filter& filter, int depth, int most, int& count) {
  if (depth > kMaxFilterDepth) {
    return invalid(cat("The filter has composite filters nested more than ", kMaxFilterDepth, " deep."));
  }
  if (!filter.has_composite_filter() && ++count > most) {
    return invalid(cat("The query has more than ", kMaxFiltersAndOrders, " filters and orders."));
  }
  for (const v1::Filter& part : filter.composite_filter().filters()) {
    NDB_RETURN_IF_ERROR(count_filters(part, depth + 1, most, count));
  }
  return absl::OkStatus();
}

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

// `out` AND `factor`: combines every alternative of one with every alternative of the other.
absl::Status distribute(Disjunction& out, const Disjunction& factor) {
  if (out.size() * factor.size() > kMaxDisjunctions) return too_many_disjunctions();
  if (factor.size() == 1) {
    for (Conjunction& conjunction : out) merge(conjunction, factor.front());
    return absl::OkStatus();
  }
  Disjunction product;
  product.reserve(out.size() * factor.size());
  for (const Conjunction& x : out) {
    for (const Conjunction& y : factor) merge(product.emplace_back(x), y);
  }
  out = std::move(product);
  return absl::OkStatus();
}

absl::StatusOr<Intervals> inequality(v1::PropertyFilter::Operator op, const std::string& encoded) {
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

class Normalizer {
 public:
  explicit Normalizer(const FilterScope& scope) : scope_(scope) {}

  absl::StatusOr<Disjunction> normalize(v1::Filter& filter) {
    if (filter.has_property_filter()) return normalize_property(*filter.mutable_property_filter());
    if (!filter.has_composite_filter()) return invalid("A filter must be a property filter or a composite filter.");
    v1::CompositeFilter& composite = *filter.mutable_composite_filter();
    if (composite.filters().empty()) return invalid("A composite filter must have at least one sub-filter.");
    if (composite.op() == v1::CompositeFilter::AND) return normalize_and(composite);
    if (composite.op() == v1::CompositeFilter::OR) return normalize_or(composite);
    return invalid("A composite filter must have an operator: AND or OR.");
  }

  absl::Status check_combinations() const {
    if (not_equals_ > 1) return invalid("A query may have at most one != filter.");
    if (not_ins_ > 1 || (not_ins_ == 1 && (uses_or_ || not_equals_ > 0))) {
      return invalid("A NOT_IN filter cannot be combined with OR, IN, != or another NOT_IN.");
    }
    return absl::OkStatus();
  }

  std::set<std::string> take_inequalities() { return std::move(inequalities_); }

 private:
  absl::StatusOr<Disjunction> normalize_and(v1::CompositeFilter& composite) {
    Disjunction out(1);
    for (v1::Filter& part : *composite.mutable_filters()) {
      NDB_ASSIGN_OR_RETURN(const Disjunction alternatives, normalize(part));
      NDB_RETURN_IF_ERROR(distribute(out, alternatives));
    }
    return out;
  }

  absl::StatusOr<Disjunction> normalize_or(v1::CompositeFilter& composite) {
    uses_or_ = uses_or_ || composite.filters_size() > 1;
    Disjunction out;
    for (v1::Filter& part : *composite.mutable_filters()) {
      NDB_ASSIGN_OR_RETURN(Disjunction alternatives, normalize(part));
      if (out.size() + alternatives.size() > kMaxDisjunctions) return too_many_disjunctions();
      std::move(alternatives.begin(), alternatives.end(), std::back_inserter(out));
    }
    return out;
  }

  absl::StatusOr<Disjunction> normalize_property(v1::PropertyFilter& filter) {
    const std::string& property = filter.property().name();
    if (property.empty()) return invalid("A property filter must name its property.");
    NDB_RETURN_IF_ERROR(check_property_reference(property));
    if (is_reserved(property) && property != kKeyProperty && property != "__scatter__") {
      return invalid(cat("The property.name ", quoted(property), " is reserved."));
    }
    v1::Value& value = *filter.mutable_value();
    if (filter.op() == v1::PropertyFilter::HAS_ANCESTOR) return normalize_ancestor(property, value);
    if (filter.op() == v1::PropertyFilter::IN) return normalize_in(property, value);
    if (filter.op() == v1::PropertyFilter::NOT_IN) return normalize_not_in(property, value);
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

  absl::StatusOr<Disjunction> normalize_in(const std::string& property, v1::Value& value) {
    uses_or_ = true;
    NDB_ASSIGN_OR_RETURN(const std::set<std::string> encoded, operands("IN", kMaxDisjunctions, property, value));
    Disjunction out;
    for (const std::string& one : encoded) out.emplace_back().conditions[property].equals.insert(one);
    return out;
  }

  absl::StatusOr<Disjunction> normalize_not_in(const std::string& property, v1::Value& value) {
    ++not_ins_;
    inequalities_.insert(property);
    NDB_ASSIGN_OR_RETURN(const std::set<std::string> encoded, operands("NOT_IN", kMaxNotInValues, property, value));
    Disjunction out(1);
    out.front().conditions[property].within = all_but(encoded);
    return out;
  }

  absl::StatusOr<std::set<std::string>> operands(std::string_view op, std::size_t most, const std::string& property,
                                                 v1::Value& value) {
    auto& values = *value.mutable_array_value()->mutable_values();
    if (values.empty()) {
      return invalid(cat("'", op, "' property filter for '", property, "' requires a non-empty ArrayValue"));
    }
    if (static_cast<std::size_t>(values.size()) > most) {
      return invalid(cat("The ", op, " filter on property ", quoted(property), " lists ", values.size(),
                         " values; at most ", most, " are allowed."));
    }
    std::set<std::string> out;
    for (v1::Value& element : values) {
      NDB_ASSIGN_OR_RETURN(std::string encoded, operand(property, element));
      out.insert(std::move(encoded));
    }
    return out;
  }

  absl::StatusOr<Disjunction> normalize_ancestor(const std::string& property, v1::Value& value) {
    if (property != kKeyProperty) return invalid("HAS_ANCESTOR is a filter on __key__.");
    NDB_RETURN_IF_ERROR(check_key_operand(value));
    Disjunction out(1);
    out.front().ancestors.push_back(encode_path_prefix(value.key_value()));
    return out;
  }

  absl::Status check_key_operand(v1::Value& value) {
    if (!value.has_key_value()) return invalid("__key__ filter value must be a Key");
    v1::Key& key = *value.mutable_key_value();
    if (scope_.of_namespaces) key.mutable_partition_id()->clear_namespace_id();
    NDB_RETURN_IF_ERROR(check_key(key, scope_.scope, KeyUse::kRead));
    const std::string& name_space = key.partition_id().namespace_id();
    if (name_space != scope_.partition.namespace_id()) {
      return invalid(cat("The query is in the namespace ", quoted(scope_.partition.namespace_id()),
                         ", but the key in its filter is in ", quoted(name_space), "."));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> operand(const std::string& property, v1::Value& value) {
    if (property == kKeyProperty) {
      NDB_RETURN_IF_ERROR(check_key_operand(value));
      return index_value(value);
    }
    if (value.value_type_case() == v1::Value::VALUE_TYPE_NOT_SET) {
      return invalid(
          cat("The filter on property ", quoted(property), " has no value to compare with; for null set null_value."));
    }
    if (value.has_array_value() || value.has_entity_value()) {
      return invalid(cat("The filter on property ", quoted(property),
                         " compares with an array or an entity; those are not indexed."));
    }
    value.clear_exclude_from_indexes();  // it is compared with indexed values
    NDB_RETURN_IF_ERROR(check_operand(property, value, scope_.scope, true));
    return index_value(value);
  }

  const FilterScope& scope_;
  std::set<std::string> inequalities_;
  int not_equals_ = 0;
  int not_ins_ = 0;
  bool uses_or_ = false;
};

}  // namespace

absl::Status check_filter_size(const v1::Filter& filter, int orders) {
  int count = 0;
  return count_filters(filter, 0, kMaxFiltersAndOrders - orders, count);
}

absl::StatusOr<NormalFilter> normalize_filter(v1::Filter& filter, const FilterScope& scope) {
  Normalizer normalizer(scope);
  NormalFilter out;
  NDB_ASSIGN_OR_RETURN(out.any_of, normalizer.normalize(filter));
  NDB_RETURN_IF_ERROR(normalizer.check_combinations());
  out.inequalities = normalizer.take_inequalities();
  return out;
}

}  // namespace ndb::local
