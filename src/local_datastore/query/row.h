// The rows that a query finds, and what becomes of them before they are handed on: sorting, and one of each group.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "local_datastore/query/plan.h"
#include "local_datastore/storage/version_store.h"

namespace ndb::local {

struct QueryRow {
  std::vector<std::string> components{};         // per order of the plan
  std::string position{};                        // position_bytes() of them
  std::vector<v1::Value> projected{};            // per projected property
  std::vector<std::vector<v1::Value>> summed{};  // per property of plan.sums its values
  std::string path{};                            // encode_path() of the entity
  // Lives as long as the row is looked at. Without bytes where the row was found without the entity, or kept without
  // it.
  StoredEntity stored{};
};

// Whether more rows are wanted.
using ConsumeRow = std::function<bool(const QueryRow&)>;

// Whether a row at this position comes after a place.
bool is_past(std::string_view position, const QueryPosition& place);

// Hands on one row of each group of rows that follow each other, where the plan makes groups. Does not own them.
class Groups {
 public:
  Groups(const QueryPlan& plan, const ConsumeRow& consume);

  bool add(const QueryRow& row);  // whether more rows are wanted

 private:
  std::vector<std::string> group_of(const std::vector<std::string>& components) const;

  const QueryPlan& plan_;
  const ConsumeRow& consume_;
  std::vector<std::string> group_;
};

// Sorts rows and keeps the first `count`, and no more bytes of their entities than `bytes`.
class FirstRows {
 public:
  FirstRows(std::size_t count, std::size_t bytes) : count_(count), bytes_left_(bytes) {}

  void add(QueryRow&& row);

  // Whether more rows are wanted. Empty after that.
  bool hand_on(Groups& groups);

 private:
  struct Kept {
    QueryRow row;
    std::string bytes;  // of the entity, which outlives the scan here
    bool operator<(const Kept& other) const { return row.position < other.row.position; }
  };

  const std::size_t count_;
  std::size_t bytes_left_;
  std::vector<Kept> rows_;  // a heap, the last row in front
};

}  // namespace ndb::local
