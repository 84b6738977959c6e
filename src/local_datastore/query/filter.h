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

// What the values of one property must be: each of `equals` is one of them, and one of them is within the intervals.
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
  // Properties with an inequality, which order the results where nothing else does.
  std::set<std::string> inequalities{};
};

// INVALID_ARGUMENT if there are more filters, `orders` counted with them, or they are nested deeper than the limits
// allow. Looks at no more of the filter than the limits.
absl::Status check_filter_size(const v1::Filter& filter, int orders);

// What the query is of: its keys must be in that partition.
struct FilterScope {
  const Scope& scope;
  const v1::PartitionId& partition;
  bool of_namespaces = false;  // of __namespace__, whose keys are in no namespace, whichever they say
};

// The normal form of a filter that check_filter_size() has seen. INVALID_ARGUMENT names the property or the limit.
absl::StatusOr<NormalFilter> normalize_filter(v1::Filter& filter, const FilterScope& scope);

}  // namespace ndb::local
