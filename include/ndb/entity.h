// ndb::Entity: an entity of any kind, without a model class.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "ndb/detail/model_info.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/value.h"

namespace ndb {

// Properties by name. Stands wherever a model class can: key.get<ndb::Entity>(), put(). It has no class flags and no
// hooks.
//   ndb::Entity ada = ndb::Entity::make("Account", ndb::id("ada"), {{"name", "Ada"}, {"age", 36}});
//   ada.edit()["age"] = ada["age"].as_int64() + 1;
class Entity : public Handle {
 public:
  using Properties = std::map<std::string, Value, std::less<>>;  // by stored name

  Entity() = default;  // empty: an entity that does not exist
  // An entity that is not stored yet; put() stores it.
  static Entity make(Key key, Properties properties = {});
  static Entity make(std::string_view kind, const Id& id, Properties properties = {});
  static Entity embedded(Properties properties = {});  // without a key, to be a value inside another one

  // The functions that read throw ndb::Error if the handle is empty.
  const Value& operator[](std::string_view name) const;  // BadValueError if there is no such property
  const Value* get(std::string_view name) const;         // null if there is no such property
  bool contains(std::string_view name) const { return get(name) != nullptr; }
  const Properties& properties() const { return *static_cast<const Properties*>(Handle::properties()); }
  const Properties* operator->() const { return &properties(); }
  Properties::const_iterator begin() const { return properties().begin(); }
  Properties::const_iterator end() const { return properties().end(); }
  std::size_t size() const { return properties().size(); }

  // The properties, to change. Other copies of this handle keep theirs.
  Properties& edit() { return *static_cast<Properties*>(edited()); }

  // to_string() gives Entity(Key('Account', 'ada'), {age: 36, name: "Ada"}).

 private:
  using Handle::Handle;
};

namespace detail {
template <>
const ModelInfo& info<Entity>();
}

}  // namespace ndb
