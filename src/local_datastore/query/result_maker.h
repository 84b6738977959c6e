// Makes the results that an entity has in a query, as indexes would give them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query/result.h"

namespace ndb::local {

// Whether an entity meets the conditions on keys; `path` is its encode_path().
bool allows_path(const Conjunction& conjunction, std::string_view keys_of_partition, std::string_view path);

// Makes the results of one entity after another. One thread; the plan outlives it.
class ResultMaker {
 public:
  explicit ResultMaker(const QueryPlan& plan);

  // The results in order. An entity that several conjunctions match appears where its first result is, and equal
  // results of a projection appear once. INVALID_ARGUMENT if the entity has more combinations of projected values than
  // it may have entries in a composite index.
  absl::Status make(const StoredEntity& stored, std::string_view path, std::vector<QueryResult>& results);

 private:
  using Choices = std::vector<std::vector<const IndexEntry*>>;  // per projected property

  bool matches(const Conjunction& conjunction) const;
  bool matches(const std::string& property, const PropertyCondition& condition) const;
  std::vector<const IndexEntry*> candidates(const Conjunction& conjunction, const std::string& property) const;
  absl::Status add_results(const Conjunction& conjunction, std::vector<QueryResult>& results) const;
  absl::StatusOr<std::size_t> count_combinations(const Choices& choices,
                                                 const std::vector<std::string>& components) const;
  QueryResult make_result(std::vector<std::string> components, const Choices& choices, std::size_t number) const;
  void keep_distinct(std::vector<QueryResult>& results) const;

  const QueryPlan& plan_;
  const std::string keys_;
  std::vector<std::size_t> projected_orders_{};  // per projected property, the index of its order
  std::string_view path_;
  v1::Entity entity_;
  IndexEntries entries_;
};

}  // namespace ndb::local
