#include "local_datastore/query/aggregation.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

using Aggregation = v1::AggregationQuery::Aggregation;

const std::string* aggregated_property(const Aggregation& aggregation) {
  if (aggregation.has_sum()) return &aggregation.sum().property().name();
  if (aggregation.has_avg()) return &aggregation.avg().property().name();
  return nullptr;
}

// query.proto: the rules for property names also apply to aliases.
absl::Status check_alias(const std::string& alias) {
  if (alias.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        cat("The aggregation alias ", quoted(alias), " is longer than ", kMaxNameBytes, " bytes."));
  }
  if (is_reserved(alias)) {
    return absl::InvalidArgumentError(cat("The aggregation alias ", quoted(alias), " is reserved."));
  }
  return absl::OkStatus();
}

absl::Status check_aggregation(const Aggregation& aggregation) {
  if (aggregation.operator_case() == Aggregation::OPERATOR_NOT_SET) {
    return absl::InvalidArgumentError("An aggregation must have an operator: count, sum or avg.");
  }
  if (aggregation.count().up_to().value() < 0) {
    return absl::InvalidArgumentError("The up_to of a count must not be negative.");
  }
  if (const std::string* property = aggregated_property(aggregation)) {
    NDB_RETURN_IF_ERROR(check_property_reference(*property));
    if (property->empty() || is_reserved(*property)) {
      return absl::InvalidArgumentError(cat("Aggregations are not supported for the property: ", *property));
    }
  }
  return check_alias(aggregation.alias());
}

}  // namespace

void Sum::add(const v1::Value& value) {
  if (value.has_integer_value()) {
    integers_ += value.integer_value();
  } else if (value.has_double_value()) {
    doubles_ += value.double_value();
    exact_ = false;
  } else {
    return;
  }
  ++count_;
}

void Sum::add(const IndexEntry& entry) {
  if (entry.value != nullptr) add(*entry.value);
}

void Sum::add(const Sum& other) {
  integers_ += other.integers_;
  doubles_ += other.doubles_;
  exact_ = exact_ && other.exact_;
  count_ += other.count_;
}

v1::Value Sum::sum() const {
  v1::Value out;
  constexpr WideInteger kMax = std::numeric_limits<std::int64_t>::max();
  constexpr WideInteger kMin = std::numeric_limits<std::int64_t>::min();
  if (exact_ && integers_ <= kMax && integers_ >= kMin) {
    out.set_integer_value(static_cast<std::int64_t>(integers_));
  } else {
    out.set_double_value(total());
  }
  return out;
}

v1::Value Sum::average() const {
  v1::Value out;
  if (count_ == 0) {
    out.set_null_value(google::protobuf::NULL_VALUE);
  } else {
    out.set_double_value(total() / static_cast<double>(count_));
  }
  return out;
}

absl::Status check_aggregations(v1::AggregationQuery& query) {
  if (query.aggregations().empty()) return absl::InvalidArgumentError("Aggregations can not be empty.");
  if (query.aggregations_size() > kMaxAggregations) {
    return absl::InvalidArgumentError(cat("The maximum number of aggregations allowed in an aggregation query is ",
                                          kMaxAggregations, ". Received: ", query.aggregations_size()));
  }
  std::set<std::string> aliases;
  int unnamed = 0;
  for (Aggregation& aggregation : *query.mutable_aggregations()) {
    NDB_RETURN_IF_ERROR(check_aggregation(aggregation));
    if (aggregation.alias().empty()) aggregation.set_alias(cat("property_", ++unnamed));
    if (!aliases.insert(aggregation.alias()).second) {
      return absl::InvalidArgumentError(cat("Aggregation aliases contain duplicate alias: ", aggregation.alias(), "."));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> aggregated_properties(const v1::AggregationQuery& query) {
  std::vector<std::string> out;
  for (const Aggregation& aggregation : query.aggregations()) {
    if (const std::string* property = aggregated_property(aggregation)) out.push_back(*property);
  }
  return out;
}

std::optional<std::int64_t> results_enough(const v1::AggregationQuery& query) {
  std::int64_t enough = 0;
  for (const Aggregation& aggregation : query.aggregations()) {
    if (!aggregation.count().has_up_to()) return std::nullopt;
    enough = std::max(enough, aggregation.count().up_to().value());
  }
  return enough;
}

void answer_aggregations(const v1::AggregationQuery& query, std::int64_t count, const std::vector<Sum>& sums,
                         v1::AggregationResult& out) {
  auto sum = sums.begin();
  for (const Aggregation& aggregation : query.aggregations()) {
    v1::Value& value = (*out.mutable_aggregate_properties())[aggregation.alias()];
    if (aggregation.has_count()) {
      const auto& bounds = aggregation.count();
      value.set_integer_value(bounds.has_up_to() ? std::min(count, bounds.up_to().value()) : count);
    } else {
      value = aggregation.has_sum() ? sum->sum() : sum->average();
      ++sum;
    }
  }
}

}  // namespace ndb::local
