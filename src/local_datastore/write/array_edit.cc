#include "local_datastore/write/array_edit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "local_datastore/storage/index_value.h"

namespace ndb::local {
namespace {

void append_identity(std::string& out, const v1::Value& value);

void append_sized(std::string& out, std::string_view bytes) {
  append_big_endian(out, bytes.size());
  out += bytes;
}

// A double that equals a 64-bit integer is encoded as that integer.
void append_number(std::string& out, double number) {
  if (number >= -0x1p63 && number < 0x1p63 && number == std::trunc(number)) {
    out.push_back('i');
    append_big_endian(out, static_cast<std::uint64_t>(static_cast<std::int64_t>(number)));
    return;
  }
  out.push_back('d');
  append_big_endian(out, std::isnan(number) ? 0 : std::bit_cast<std::uint64_t>(number));
}

void append_entity(std::string& out, const v1::Entity& entity) {
  out.push_back('e');
  append_sized(out, index_key(entity.key()));
  std::vector<std::string_view> names;
  for (const auto& [name, value] : entity.properties()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  append_big_endian(out, names.size());
  for (const std::string_view name : names) {
    append_sized(out, name);
    append_identity(out, entity.properties().at(std::string(name)));
  }
}

// Bytes that are equal exactly for values that transforms treat as equal.
void append_identity(std::string& out, const v1::Value& value) {
  switch (value.value_type_case()) {
    case v1::Value::kIntegerValue:
      out.push_back('i');
      append_big_endian(out, static_cast<std::uint64_t>(value.integer_value()));
      break;
    case v1::Value::kDoubleValue:
      append_number(out, value.double_value());
      break;
    case v1::Value::kArrayValue:
      out.push_back('a');
      append_big_endian(out, static_cast<std::uint64_t>(value.array_value().values_size()));
      for (const v1::Value& element : value.array_value().values()) append_identity(out, element);
      break;
    case v1::Value::kEntityValue:
      append_entity(out, value.entity_value());
      break;
    default:
      out.push_back('v');
      out.push_back(static_cast<char>(value.value_type_case()));
      append_sized(out, index_value(value));
  }
}

std::string identity(const v1::Value& value) {
  std::string out;
  append_identity(out, value);
  return out;
}

}  // namespace

ArrayEdit::ArrayEdit(v1::Value& value) : value_(value) {
  if (!value.has_array_value()) value.clear_meaning();
  for (const v1::Value& element : value.mutable_array_value()->values()) note(element);
}

void ArrayEdit::note(const v1::Value& element) {
  places_[identity(element)].push_back(static_cast<int>(removed_.size()));
  removed_.push_back(false);
  ++left_;
}

// A non-empty array has no exclude_from_indexes of its own, so values that are appended to an excluded property get it.
void ArrayEdit::append_missing(const v1::ArrayValue& elements) {
  for (const v1::Value& element : elements.values()) {
    if (places_.contains(identity(element))) continue;
    v1::Value& added = *value_.mutable_array_value()->add_values() = element;
    if (value_.exclude_from_indexes()) added.set_exclude_from_indexes(true);
    note(element);
  }
  if (left_ > 0) value_.clear_exclude_from_indexes();
}

void ArrayEdit::remove_all(const v1::ArrayValue& elements) {
  for (const v1::Value& element : elements.values()) {
    const auto found = places_.find(identity(element));
    if (found == places_.end()) continue;
    for (const int place : found->second) removed_[static_cast<std::size_t>(place)] = true;
    left_ -= found->second.size();
    places_.erase(found);
  }
}

void ArrayEdit::finish() {
  auto& values = *value_.mutable_array_value()->mutable_values();
  int kept = 0;
  for (int place = 0; place < values.size(); ++place) {
    if (removed_[static_cast<std::size_t>(place)]) continue;
    if (kept != place) values.SwapElements(kept, place);
    ++kept;
  }
  values.DeleteSubrange(kept, values.size() - kept);
}

}  // namespace ndb::local
