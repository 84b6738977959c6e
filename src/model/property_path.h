// The place of an error within an entity.
#pragma once

#include <string>
#include <string_view>

#include "base/strings.h"

namespace ndb::detail {

// Prepends a name to the path of a property, such as "home.city", which is built from the inside out.
inline void prepend_name(std::string& path, std::string_view name) {
  path = path.empty() ? std::string(name) : cat(name, ".", path);
}

}  // namespace ndb::detail
