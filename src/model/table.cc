#include <algorithm>
#include <utility>

#include "ndb/detail/codec.h"

namespace ndb::detail {

Table::Table(std::vector<Row> rows) : rows_(std::move(rows)) {
  for (const Row& row : rows_) by_name_.push_back(&row);
  std::sort(by_name_.begin(), by_name_.end(), [](const Row* a, const Row* b) { return a->name < b->name; });
}

const Row* Table::find(std::string_view name) const {
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [](const Row* row, std::string_view n) { return row->name < n; });
  return it != by_name_.end() && (*it)->name == name ? *it : nullptr;
}

void Table::stamp(void* object, Timestamp now) const {
  for (const Row& row : rows_) {
    if (row.stamp != nullptr) row.stamp(static_cast<char*>(object) + row.offset, now);
  }
}

std::size_t Table::heap_bytes(const void* object) const {
  std::size_t sum = 0;
  for (const Row& row : rows_) {
    if (row.ops != nullptr) sum += row.ops->heap_bytes(static_cast<const char*>(object) + row.offset);
  }
  return sum;
}

}  // namespace ndb::detail
