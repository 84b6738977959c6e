// Names that users choose themselves, of raw memcache items and values of SharedCaches, in a partition.
#pragma once

#include <string>
#include <string_view>

#include "base/strings.h"
#include "ndb/key.h"

namespace ndb::context {

// In the default namespace and database a name stands for itself; in others it is '@' database '/' namespace ':' name.
// A name that could be taken for one of those is written like them. All fields of `where` are set.
inline bool is_whole(const Partition& where, std::string_view name) {
  return where.database->empty() && where.namespace_->empty() && !name.starts_with('@');
}
inline std::string item_name(const Partition& where, std::string_view name) {
  if (is_whole(where, name)) return std::string(name);
  return cat('@', percent_encoded(*where.database), '/', *where.namespace_, ':', name);
}
// The name in the result of item_name().
inline std::string_view chosen_name(std::string_view item) {
  return item.starts_with('@') ? item.substr(item.find(':') + 1) : item;
}

}  // namespace ndb::context
