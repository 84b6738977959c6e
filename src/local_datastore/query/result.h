// The results of a query, and what happens to them before they are returned: sorting, and dropping results that are not
// distinct.
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
  // Valid while the consumer looks at the result. Empty if the result was found, or is kept, without its entity.
  StoredEntity stored{};
};

// Returns whether more results are wanted.
using ConsumeResult = std::function<bool(const QueryResult&)>;

// Whether a result with this sort key comes after a place.
bool is_past(std::string_view sort_key, const QueryPosition& place);

// Passes results on; of consecutive results that are not distinct, only the first. Owns neither argument.
class DistinctResults {
 public:
  DistinctResults(const QueryPlan& plan, const ConsumeResult& consume);

  bool add(const QueryResult& result);  // returns whether more are wanted

 private:
  std::vector<std::string> distinct_part(const std::vector<std::string>& components) const;

  const QueryPlan& plan_;
  const ConsumeResult& consume_;
  std::vector<std::string> last_;
};

// Sorts results and keeps the first `count`, with at most `bytes` of their entities.
class SortedResults {
 public:
  SortedResults(std::size_t count, std::size_t bytes) : count_(count), bytes_left_(bytes) {}

  bool empty() const { return results_.empty(); }
  void add(QueryResult&& result);

  // Passes on and removes all results, or those that sort before `end`. Returns whether more are wanted.
  bool hand_on(DistinctResults& out);
  bool hand_on_before(std::string_view end, DistinctResults& out);

 private:
  struct Kept {
    QueryResult result;
    std::string bytes;  // a copy of the entity, since the result outlives the scan here
    bool operator<(const Kept& other) const { return result.sort_key < other.result.sort_key; }
  };

  bool hand_on_first(DistinctResults& out);

  const std::size_t count_;
  std::size_t bytes_left_;
  std::multiset<Kept> results_;
};

}  // namespace ndb::local
