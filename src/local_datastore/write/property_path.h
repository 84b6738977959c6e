// Property paths such as `address.city`, as masks and transforms use them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The names in a path, split at dots; a backslash escapes the next character. INVALID_ARGUMENT if a name is empty.
absl::StatusOr<std::vector<std::string>> parse_property_path(std::string_view path);

// The value at a path through nested entities; nullptr if there is none.
const v1::Value* find_property(const v1::Entity& entity, const std::vector<std::string>& path);
// The same, but creates it where it is missing, and replaces values on the way that are no entities.
v1::Value& make_property(v1::Entity& entity, const std::vector<std::string>& path);
void erase_property(v1::Entity& entity, const std::vector<std::string>& path);

}  // namespace ndb::local
