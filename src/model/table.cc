#include <algorithm>
#include <utility>

#include "ndb/detail/codec.h"

namespace ndb::detail {

Table::Table(std::vector<Row> rows, std::ptrdiff_t unknown_offset)
    : rows_(std::move(rows)), unknown_offset_(unknown_offset) {
  for (const Row& row : rows_) {
    if (row.ops != nullptr || row.compute != nullptr) {
      by_name_.push_back(&row);
    } else {
      expando_ = &row;
    }
  }
  std::sort(by_name_.begin(), by_name_.end(), [](const Row* a, const Row* b) { return a->name < b->name; });
}

const Row* Table::find(std::string_view name) const {
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [](const Row* row, std::string_view n) { return row->name < n; });
  return it != by_name_.end() && (*it)->name == name ? *it : nullptr;
}

std::size_t Table::heap_bytes(const void* object) const {
  const Unknown* unknown = unknown_of(object);
  std::size_t sum = unknown != nullptr ? unknown->heap_bytes() : 0;
  for (const Row& row : rows_) {
    if (row.ops != nullptr) sum += row.ops->heap_bytes(field_of(row, object));
  }
  if (expando_ != nullptr) sum += heap_bytes_of(*static_cast<const Expando*>(field_of(*expando_, object)));
  return sum;
}

}  // namespace ndb::detail
