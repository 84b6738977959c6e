// From an entity to the rows that it has in a query's result, by index semantics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query/row.h"

namespace ndb::local {

// Whether the conditions on keys let an entity through; `path` is its encode_path().
bool allows_path(const Conjunction& conjunction, std::string_view keys_of_partition, std::string_view path);

// Makes the rows of one entity after another. One thread; the plan outlives it.
class RowMaker {
 public:
  explicit RowMaker(const QueryPlan& plan) : plan_(plan), keys_(index_keys_of(plan.partition)) {}

  // In their order; an entity that several conjunctions match is where its first row is, and of a projection each row
  // that says the same.
  absl::Status make(const StoredEntity& stored, std::string_view path, std::vector<QueryRow>& rows);

 private:
  bool matches(const Conjunction& conjunction) const;
  bool matches(const std::string& property, const PropertyCondition& condition) const;
  std::vector<const IndexEntry*> candidates(const Conjunction& conjunction, const std::string& property) const;
  absl::Status add_rows(const Conjunction& conjunction, std::vector<QueryRow>& rows) const;
  QueryRow make_row(std::vector<std::string> components, const std::vector<std::vector<const IndexEntry*>>& choices,
                    std::size_t number) const;
  void keep_one_each(std::vector<QueryRow>& rows) const;
  bool is_projected(const std::string& property) const;

  const QueryPlan& plan_;
  const std::string keys_;
  std::string_view path_;
  v1::Entity entity_;
  IndexEntries entries_;
};

}  // namespace ndb::local
