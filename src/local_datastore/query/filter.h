// A query's filter in disjunctive normal form: alternatives, each a conjunction of conditions on keys and properties.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/index_value.h"

namespace ndb::local {

inline constexpr std::string_view kKeyProperty = "__key__";

// The condition on the values of one property: they contain each of `equals`, and one of them is in the intervals.
struct PropertyCondition {
  std::set<std::string> equals{};  // encoded as in index_value.h
  std::optional<Intervals> within{};
};

// Filters that all hold.
struct Conjunction {
  std::vector<std::string> ancestors{};  // encode_path_prefix() of each
  std::map<std::string, PropertyCondition> conditions{};
};

struct NormalFilter {
  std::vector<Conjunction> any_of{};
  // Properties with an inequality, by which the results are ordered where nothing else orders them.
  std::set<std::string> inequalities{};
};

// INVALID_ARGUMENT if filters and `orders` together are more than the limit, or the filters are nested too deeply.
// Reads no more of the filter than the limits allow.
absl::Status check_filter_size(const v1::Filter& filter, int orders);

// The scope of a query: the partition that its keys must be in.
struct FilterScope {
  const Scope& scope;
  const v1::PartitionId& partition;
  bool of_namespaces = false;  // a query of __namespace__, whose keys are in no namespace, whatever they say
};

// The normal form of a filter that has passed check_filter_size(). INVALID_ARGUMENT names the property or the limit.
absl::StatusOr<NormalFilter> normalize_filter(v1::Filter& filter, const FilterScope& scope);

}  // namespace ndb::local
