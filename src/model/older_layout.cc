// The encoder for NDB's older layout: the fields of structs as properties with dotted names, those of repeated structs
// as arrays.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "model/entity_wire.h"
#include "model/limits.h"
#include "ndb/detail/codec.h"

namespace ndb::detail {
namespace {

constexpr std::string_view kNullValue("\x58\0", 2);  // a null Value

}  // namespace

void Encoder::columns(const PropertyRow& row, const void* field, bool indexed) {
  const StructOps& structs = *row.ops->structs;
  std::vector<const void*> objects(structs.size(field));
  for (std::size_t i = 0; i < objects.size(); ++i) {
    objects[i] = structs.at(field, i);
    if (structs.repeated) charge(structs.bytes);
  }
  if (std::find(objects.begin(), objects.end(), nullptr) != objects.end()) {
    fail("holds a null among its structs, for which NDB's older layout has no place");
    return within(row.name);
  }
  if (!objects.empty()) {
    const std::size_t outer = prefix_.size();
    prefix_.append(row.name).push_back('.');
    columns(structs.table(), objects, structs.repeated, indexed);
    prefix_.resize(outer);
    if (!ok()) within(row.name);
  } else if (!structs.repeated) {  // an empty list of structs is not written
    const std::size_t before = size();
    null(indexed);
    property(before, row.name);
  }
}

void Encoder::columns(const Table& table, std::span<const void* const> objects, bool repeated, bool indexed) {
  if (depth_ == kMaxEntityDepth) return fail("is nested more than 20 structs deep");
  ++depth_;
  unknown_columns(table, objects, repeated);
  const std::span<const PropertyRow> rows = table.rows();
  for (auto row = rows.rbegin(); ok() && row != rows.rend(); ++row) column(*row, objects, repeated, indexed);
  --depth_;
}

void Encoder::column(const PropertyRow& row, std::span<const void* const> objects, bool repeated, bool indexed) {
  const bool in_index = indexed && row.indexed;
  const auto refuse = [&](std::string why) {
    fail(std::move(why));
    within(row.name);
  };
  if (row.ops == nullptr && row.compute == nullptr) {
    const auto expando = [&](const void* object) -> const Expando& {
      return *static_cast<const Expando*>(field_of(row, object));
    };
    if (!repeated) return properties(expando(objects.front()), in_index);
    for (const void* object : objects) {
      if (!expando(object).empty()) {
        return refuse("has dynamic properties in a repeated struct, for which NDB's older layout has no place");
      }
    }
    return;
  }
  if (repeated && row.ops != nullptr && row.ops->repeated) {
    return refuse("is repeated in a repeated struct, for which NDB's older layout has no place");
  }
  if (row.ops != nullptr && row.ops->structs != nullptr && !is_local(row.storage)) {
    if (!repeated) return columns(row, field_of(row, objects.front()), in_index);
    const StructOps& structs = *row.ops->structs;
    std::vector<const void*> inner;
    for (const void* object : objects) {
      const void* field = field_of(row, object);
      if (structs.size(field) == 0) {
        return refuse("is null in a repeated struct, for which NDB's older layout has no place");
      }
      inner.push_back(structs.at(field, 0));
    }
    const std::size_t outer = prefix_.size();
    prefix_.append(row.name).push_back('.');
    columns(structs.table(), inner, true, in_index);
    prefix_.resize(outer);
    if (!ok()) within(row.name);
    return;
  }
  const std::size_t before = size();
  const auto encode = [&](const void* object) {
    storage_ = row.storage;
    row.ops != nullptr ? row.ops->encode(*this, field_of(row, object), in_index) : row.compute(*this, object, in_index);
  };
  if (repeated) {
    for (std::size_t i = objects.size(); i-- > 0;) {
      const std::size_t element_before = size();
      encode(objects[i]);
      element(element_before);
    }
    array(before);
  } else {
    encode(objects.front());
  }
  if (!ok()) return within(row.name);
  property(before, row.name);
}

// Properties of the structs that their class does not know. If one of repeated structs lacks a property that another
// has, it gets a null.
void Encoder::unknown_columns(const Table& table, std::span<const void* const> objects, bool repeated) {
  std::map<std::string_view, std::vector<std::string_view>> columns;
  // Each struct gets an element in each column, so few bytes could make many columns of many nulls.
  const auto fits = [&](std::size_t count) { return count * objects.size() <= kMaxEntityBytes / kNullValue.size(); };
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const Unknown* unknown = table.unknown_of(objects[i]);
    if (unknown == nullptr) continue;
    for_each_property(unknown->fields(), [&](std::string_view name, std::string_view value) {
      std::vector<std::string_view>& column = columns[name];
      if (!fits(columns.size())) return false;
      column.resize(objects.size(), kNullValue);
      column[i] = value;
      return true;
    });
  }
  if (!fits(columns.size())) {
    return fail("holds more properties that its structs do not know than NDB's older layout has place for");
  }
  for (const auto& [name, values] : columns) {
    const std::size_t before = size();
    if (repeated) {
      for (auto value = values.rbegin(); value != values.rend(); ++value) {
        const std::size_t element_before = size();
        raw(*value);
        element(element_before);
      }
      array(before);
    } else {
      raw(values.front());
    }
    property(before, name);
  }
}

}  // namespace ndb::detail
