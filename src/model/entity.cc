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

std::size_t heap_bytes(const ModelInfo& info, const void* properties) {
  if (!info.any_kind) return info.table().heap_bytes(properties);
  constexpr std::size_t kNodeBytes = 4 * sizeof(void*);  // of std::map
  std::size_t sum = 0;
  for (const auto& [name, value] : *static_cast<const Entity::Properties*>(properties)) {
    sum += kNodeBytes + sizeof(std::string) + sizeof(Value) + string_heap(name) + value_heap(value);
  }
  return sum;
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

std::string Entity::to_string() const {
  std::string out = cat("Entity(", key() ? key().to_string() : "");
  if (!*this) return out + (key() ? ", absent)" : ")");
  out += key() ? ", {" : "{";
  bool first = true;
  for (const auto& [name, value] : *this) {
    out += cat(first ? "" : ", ", name, ": ", value.to_string());
    first = false;
  }
  return out + "})";
}

std::ostream& operator<<(std::ostream& out, const Entity& entity) { return out << entity.to_string(); }

}  // namespace ndb
