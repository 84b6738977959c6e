#include "local_datastore/write/property_path.h"

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {

absl::StatusOr<std::vector<std::string>> parse_property_path(std::string_view path) {
  std::vector<std::string> names(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      names.emplace_back();
    } else {
      if (path[i] == '\\' && i + 1 < path.size()) ++i;
      names.back().push_back(path[i]);
    }
  }
  for (const std::string& name : names) {
    if (name.empty()) return absl::InvalidArgumentError(cat("The property path ", quoted(path), " has an empty name."));
  }
  return names;
}

const v1::Value* find_property(const v1::Entity& entity, const std::vector<std::string>& path) {
  const v1::Entity* parent = &entity;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto found = parent->properties().find(path[i]);
    if (found == parent->properties().end()) return nullptr;
    if (i + 1 == path.size()) return &found->second;
    if (!found->second.has_entity_value()) return nullptr;
    parent = &found->second.entity_value();
  }
  return nullptr;
}

v1::Value& make_property(v1::Entity& entity, const std::vector<std::string>& path) {
  v1::Entity* parent = &entity;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    parent = (*parent->mutable_properties())[path[i]].mutable_entity_value();
  }
  return (*parent->mutable_properties())[path.back()];
}

void erase_property(v1::Entity& entity, const std::vector<std::string>& path) {
  if (find_property(entity, path) == nullptr) return;
  v1::Entity* parent = &entity;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    parent = (*parent->mutable_properties())[path[i]].mutable_entity_value();
  }
  parent->mutable_properties()->erase(path.back());
}

}  // namespace ndb::local
