#include "local_datastore/query/result.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ndb::local {

bool is_past(std::string_view sort_key, const QueryPosition& place) {
  if (place.components.empty()) return true;
  return place.exclusive ? sort_key > place.sort_key : sort_key >= place.sort_key;
}

DistinctResults::DistinctResults(const QueryPlan& plan, const ConsumeResult& consume)
    : plan_(plan), consume_(consume), last_(distinct_part(plan.start.components)) {}

bool DistinctResults::add(const QueryResult& result) {
  if (plan_.distinct > 0) {
    std::vector<std::string> part = distinct_part(result.components);
    if (part == last_) return true;
    last_ = std::move(part);
  }
  return consume_(result);
}

std::vector<std::string> DistinctResults::distinct_part(const std::vector<std::string>& components) const {
  const std::size_t size = std::min(plan_.distinct, components.size());
  return {components.begin(), components.begin() + static_cast<std::ptrdiff_t>(size)};
}

void SortedResults::add(QueryResult&& result) {
  if (results_.size() == count_) {
    if (count_ == 0) return;
    const auto last = std::prev(results_.end());
    if (result.sort_key >= last->result.sort_key) return;
    bytes_left_ += last->bytes.size();
    results_.erase(last);
  }
  std::string bytes;
  if (result.stored.entity.size() <= bytes_left_) bytes = result.stored.entity;
  bytes_left_ -= bytes.size();
  result.stored.entity = {};
  results_.insert({std::move(result), std::move(bytes)});
}

bool SortedResults::hand_on_first(DistinctResults& out) {
  auto node = results_.extract(results_.begin());
  Kept& kept = node.value();
  kept.result.stored.entity = kept.bytes;
  bytes_left_ += kept.bytes.size();
  return out.add(kept.result);
}

bool SortedResults::hand_on(DistinctResults& out) {
  while (!results_.empty()) {
    if (!hand_on_first(out)) return false;
  }
  return true;
}

bool SortedResults::hand_on_before(std::string_view end, DistinctResults& out) {
  while (!results_.empty() && results_.begin()->result.sort_key < end) {
    if (!hand_on_first(out)) return false;
  }
  return true;
}

}  // namespace ndb::local
