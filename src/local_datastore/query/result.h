// The results that a query finds, and what becomes of them before they are handed on: sorting, and dropping those that
// are not distinct.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "local_datastore/query/aggregation.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/storage/version_store.h"

namespace ndb::local {

struct QueryResult {
  std::vector<std::string> components{};  // encoded values, per order of the plan
  std::string sort_key{};                 // of them
  std::vector<v1::Value> projected{};     // per projected property
  std::vector<Sum> sums{};                // per property of plan.sums, of the entity's values
  std::string path{};                     // encode_path() of the entity
  // Lives as long as the result is looked at. Without bytes where the result was found without the entity, or kept
  // without it.
  StoredEntity stored{};
};

// Whether more results are wanted.
using ConsumeResult = std::function<bool(const QueryResult&)>;

// Whether a result with this sort key comes after a place.
bool is_past(std::string_view sort_key, const QueryPosition& place);

// Hands on results, of those that follow each other and are not distinct only the first. Owns neither argument.
class DistinctResults {
 public:
  DistinctResults(const QueryPlan& plan, const ConsumeResult& consume);

  bool add(const QueryResult& result);  // whether more are wanted

 private:
  std::vector<std::string> distinct_part(const std::vector<std::string>& components) const;

  const QueryPlan& plan_;
  const ConsumeResult& consume_;
  std::vector<std::string> last_;
};

// Sorts results and keeps the first `count`, and no more bytes of their entities than `bytes`.
class SortedResults {
 public:
  SortedResults(std::size_t count, std::size_t bytes) : count_(count), bytes_left_(bytes) {}

  bool empty() const { return results_.empty(); }
  void add(QueryResult&& result);

  // Hands on and forgets all, or those that sort before `end`. Whether more are wanted.
  bool hand_on(DistinctResults& out);
  bool hand_on_before(std::string_view end, DistinctResults& out);

 private:
  struct Kept {
    QueryResult result;
    std::string bytes;  // of the entity, which outlives the scan here
    bool operator<(const Kept& other) const { return result.sort_key < other.result.sort_key; }
  };

  bool hand_on_first(DistinctResults& out);

  const std::size_t count_;
  std::size_t bytes_left_;
  std::multiset<Kept> results_;
};

}  // namespace ndb::local
