// Rules for names that the client and the local Datastore have in common.
#pragma once

#include <string_view>

namespace ndb {

// Whether a name is of the form __x__: kinds, ids, properties and namespaces of that form belong to the Datastore.
constexpr bool is_reserved(std::string_view name) {
  return name.size() >= 4 && name.starts_with("__") && name.ends_with("__");
}

}  // namespace ndb
