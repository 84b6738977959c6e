// Where in an entity an error is.
#pragma once

#include <string>
#include <string_view>

#include "base/strings.h"

namespace ndb::detail {

// The path to a property, "home.city", is put together while the nested entities are left, from the inside out.
inline void prepend_name(std::string& path, std::string_view name) {
  path = path.empty() ? std::string(name) : cat(name, ".", path);
}

}  // namespace ndb::detail
