// From an entity to the results that it has in a query, by index semantics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query/result.h"

namespace ndb::local {

// Whether the conditions on keys let an entity through; `path` is its encode_path().
bool allows_path(const Conjunction& conjunction, std::string_view keys_of_partition, std::string_view path);

// Makes the results of one entity after another. One thread; the plan outlives it.
class ResultMaker {
 public:
  explicit ResultMaker(const QueryPlan& plan);

  // In their order. An entity that several conjunctions match is where its first result is, and of the results of a
  // projection that say the same only the first is there. INVALID_ARGUMENT if the entity has more combinations of
  // projected values than a composite index could have of it.
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
  std::vector<std::size_t> projected_orders_{};  // per projected property, which order is by it
  std::string_view path_;
  v1::Entity entity_;
  IndexEntries entries_;
};

}  // namespace ndb::local
