#include "local_datastore/write/property_mask.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "local_datastore/limits.h"
#include "local_datastore/write/property_path.h"

namespace ndb::local {
namespace {

constexpr std::string_view kKey = "__key__";  // always present, and never changed

}  // namespace

absl::StatusOr<ReadMask> ReadMask::of(const v1::PropertyMask& mask) {
  ReadMask out;
  for (const std::string& path : mask.paths()) {
    if (path != kKey) out.names_.emplace_back(path);
  }
  std::sort(out.names_.begin(), out.names_.end());
  out.names_.erase(std::unique(out.names_.begin(), out.names_.end()), out.names_.end());
  for (const std::string_view path : out.names_) {
    if (!path.empty() && path.find_first_of(".\\") == std::string_view::npos) continue;
    NDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, parse_property_path(path));
    if (names.size() > kMaxPathNames) continue;  // matches nothing
    Node* node = &out.root_;
    for (const std::string& name : names) node = &node->children[name];
    node->paths.push_back(path);
  }
  return out;
}

v1::Entity ReadMask::apply(const v1::Entity& entity) const {
  v1::Entity out;
  *out.mutable_key() = entity.key();
  for (const auto& [name, value] : entity.properties()) {
    if (std::binary_search(names_.begin(), names_.end(), std::string_view(name))) {
      (*out.mutable_properties())[name] = value;
      continue;
    }
    const auto node = root_.children.find(name);
    v1::Value part;
    if (node == root_.children.end() || !copy(node->second, entity, value, part)) continue;
    (*out.mutable_properties())[name] = std::move(part);
  }
  return out;
}

// A path that is the name of a property matches only that property.
bool ReadMask::ends_here(const Node& node, const v1::Entity& entity) {
  return std::any_of(node.paths.begin(), node.paths.end(),
                     [&entity](std::string_view path) { return !entity.properties().contains(std::string(path)); });
}

// Copies what the mask selects of a value of the entity; false if it selects nothing.
bool ReadMask::copy(const Node& node, const v1::Entity& entity, const v1::Value& value, v1::Value& out) {
  if (ends_here(node, entity)) {
    out = value;
    return true;
  }
  if (node.children.empty()) return false;
  bool copied = false;
  for (const auto& [name, nested] : value.entity_value().properties()) {
    const auto child = node.children.find(name);
    v1::Value part;
    if (child == node.children.end() || !copy(child->second, entity, nested, part)) continue;
    (*out.mutable_entity_value()->mutable_properties())[name] = std::move(part);
    copied = true;
  }
  return copied;
}

absl::Status write_masked(const v1::Entity& written, const v1::PropertyMask& mask, Transformer& current) {
  std::set<std::vector<std::string>> done;  // a repeated path would copy its property again
  for (const std::string& text : mask.paths()) {
    if (text == kKey) continue;
    std::vector<std::string> path{text};  // a name may contain dots
    if (!written.properties().contains(text) && !current.entity().properties().contains(text)) {
      NDB_ASSIGN_OR_RETURN(path, parse_property_path(text));
    }
    if (!done.insert(path).second) continue;
    if (const v1::Value* value = find_property(written, path)) {
      current.set(path, *value);
    } else {
      current.erase(path);
    }
  }
  return absl::OkStatus();
}

}  // namespace ndb::local
