#include "ndb/entity.h"

#include <ostream>

#include "base/error.h"
#include "base/strings.h"

namespace ndb {
namespace {

using EntityPayload = detail::PayloadOf<Entity::Properties>;

detail::PayloadPtr make_payload(Entity::Properties properties) {
  return detail::PayloadPtr(new EntityPayload(detail::info<Entity>(), std::move(properties)));
}

std::size_t string_heap(const std::string& s) { return s.capacity() > 15 ? s.capacity() + 1 : 0; }

std::size_t value_heap(const Value& value) {
  switch (value.type()) {
    case ValueType::kString:
      return string_heap(value.as_string());
    case ValueType::kBlob:
      return string_heap(value.as_blob());
    case ValueType::kEntity:
      return detail::HandleAccess::payload(value.as_entity())->footprint();
    case ValueType::kArray: {
      std::size_t sum = value.as_array().capacity() * sizeof(Value);
      for (const Value& element : value.as_array()) sum += value_heap(element);
      return sum;
    }
    default:
      return 0;
  }
}

}  // namespace

namespace detail {

template <>
const ModelInfo& info<Entity>() {
  static constexpr ModelInfo kInfo{
      .any_kind = true,
      .make_payload = []() -> Payload* { return new EntityPayload(info<Entity>(), {}); },
  };
  return kInfo;
}

std::size_t heap_bytes_of(const Entity::Properties& properties) {
  constexpr std::size_t kNodeBytes = 4 * sizeof(void*);  // of std::map
  std::size_t sum = 0;
  for (const auto& [name, value] : properties) {
    sum += kNodeBytes + sizeof(std::string) + sizeof(Value) + string_heap(name) + value_heap(value);
  }
  return sum;
}

std::size_t heap_bytes(const ModelInfo& info, const void* properties) {
  return info.any_kind ? heap_bytes_of(*static_cast<const Entity::Properties*>(properties))
                       : info.table().heap_bytes(properties);
}

}  // namespace detail

Entity Entity::make(Key key, Properties properties) {
  if (!key) throw BadKeyError("an entity needs a key; one inside another entity is made by Entity::embedded()");
  return Entity(std::move(key), make_payload(std::move(properties)));
}

Entity Entity::make(std::string_view kind, const Id& id, Properties properties) {
  return make(Key(kind, id), std::move(properties));
}

Entity Entity::embedded(Properties properties) { return Entity(Key(), make_payload(std::move(properties))); }

const Value* Entity::get(std::string_view name) const {
  const auto it = properties().find(name);
  return it != end() ? &it->second : nullptr;
}

const Value& Entity::operator[](std::string_view name) const {
  if (const Value* value = get(name)) return *value;
  throw BadValueError(cat(key() ? key().to_string() : "this embedded entity", " has no property ", quoted(name),
                          "; ask get() whether there is one"));
}

std::string Handle::to_string() const {
  const std::string key = key_ ? key_.to_string() : "";
  if (!payload_) return cat("no entity", key.empty() ? "" : " as ", key);
  const detail::ModelInfo& info = payload_->info();
  const std::string_view name = info.any_kind ? "Entity" : detail::is_poly(info) ? info.class_name : info.kind;
  std::string out = cat(name, "(", key, key.empty() ? "{" : ", {");
  const absl::StatusOr<Entity::Properties> properties = detail::dynamic_properties(*payload_.get());
  if (!properties.ok()) return cat(out, from_absl(properties.status().message()), "})");
  std::string_view separator;
  const auto show = [&](std::string_view property, const Value& value) {
    out += cat(std::exchange(separator, ", "), property, ": ", value.to_string());
  };
  if (info.any_kind) {
    for (const auto& [property, value] : *properties) show(property, value);
    return out + "})";
  }
  const detail::Table& table = info.table();
  for (const detail::PropertyRow& row : table.rows()) {
    if (const auto value = properties->find(row.name); value != properties->end()) show(row.field, value->second);
  }
  for (const auto& [property, value] : *properties) {
    if (table.find(property) == nullptr) show(property, value);  // dynamic or unknown
  }
  return out + "})";
}

std::ostream& operator<<(std::ostream& out, const Handle& entity) { return out << entity.to_string(); }

}  // namespace ndb
