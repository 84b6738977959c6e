#include <algorithm>
#include <utility>

#include "ndb/detail/codec.h"

namespace ndb::detail {

Table::Table(std::vector<PropertyRow> rows, std::ptrdiff_t unknown_offset)
    : rows_(std::move(rows)), unknown_offset_(unknown_offset) {
  for (const PropertyRow& row : rows_) {
    if (row.ops != nullptr || row.compute != nullptr) {
      by_name_.push_back(&row);
    } else {
      expando_ = &row;
    }
  }
  by_field_ = by_name_;
  std::ranges::sort(by_name_, {}, &PropertyRow::name);
  std::ranges::sort(by_field_, {}, &PropertyRow::field);
}

const PropertyRow* Table::find(const Index& index, std::string_view PropertyRow::* name, std::string_view wanted) {
  const auto found = std::ranges::lower_bound(index, wanted, {}, name);
  return found != index.end() && (*found)->*name == wanted ? *found : nullptr;
}

std::size_t Table::heap_bytes(const void* object) const {
  const Unknown* unknown = unknown_of(object);
  std::size_t sum = unknown != nullptr ? unknown->heap_bytes() : 0;
  for (const PropertyRow& row : rows_) {
    if (row.ops != nullptr) sum += row.ops->heap_bytes(field_of(row, object));
  }
  if (expando_ != nullptr) sum += heap_bytes_of(*static_cast<const Expando*>(field_of(*expando_, object)));
  return sum;
}

}  // namespace ndb::detail
