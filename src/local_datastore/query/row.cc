#include "local_datastore/query/row.h"

#include <algorithm>
#include <utility>

namespace ndb::local {

bool is_past(std::string_view position, const QueryPosition& place) {
  if (place.components.empty()) return true;
  return place.exclusive ? position > place.bytes : position >= place.bytes;
}

Groups::Groups(const QueryPlan& plan, const ConsumeRow& consume)
    : plan_(plan), consume_(consume), group_(group_of(plan.start.components)) {}

bool Groups::add(const QueryRow& row) {
  if (plan_.distinct > 0) {
    std::vector<std::string> next = group_of(row.components);
    if (next == group_) return true;
    group_ = std::move(next);
  }
  return consume_(row);
}

std::vector<std::string> Groups::group_of(const std::vector<std::string>& components) const {
  const std::size_t size = std::min(plan_.distinct, components.size());
  return {components.begin(), components.begin() + static_cast<std::ptrdiff_t>(size)};
}

void FirstRows::add(QueryRow&& row) {
  if (rows_.size() == count_) {
    if (count_ == 0 || !(row.position < rows_.front().row.position)) return;
    std::pop_heap(rows_.begin(), rows_.end());
    bytes_left_ += rows_.back().bytes.size();
    rows_.pop_back();
  }
  std::string bytes;
  if (row.stored.entity.size() <= bytes_left_) bytes = row.stored.entity;
  bytes_left_ -= bytes.size();
  row.stored.entity = {};
  rows_.push_back({std::move(row), std::move(bytes)});
  std::push_heap(rows_.begin(), rows_.end());
}

bool FirstRows::hand_on(Groups& groups) {
  std::sort_heap(rows_.begin(), rows_.end());
  bool wanted = true;
  for (Kept& kept : rows_) {
    kept.row.stored.entity = kept.bytes;
    wanted = wanted && groups.add(kept.row);
    bytes_left_ += kept.bytes.size();
  }
  rows_.clear();
  return wanted;
}

}  // namespace ndb::local
