// Properties by paths such as `address.city`, as masks and transforms name them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The names in a path: split at dots, a backslash takes the next character as it is. INVALID_ARGUMENT if a name is
// empty.
absl::StatusOr<std::vector<std::string>> parse_property_path(std::string_view path);

// The value at a path through nested entities; nullptr if there is none.
const v1::Value* find_property(const v1::Entity& entity, const std::vector<std::string>& path);
// The same, made where it is missing; what is in the way and no entity is replaced.
v1::Value& make_property(v1::Entity& entity, const std::vector<std::string>& path);
void erase_property(v1::Entity& entity, const std::vector<std::string>& path);

}  // namespace ndb::local
