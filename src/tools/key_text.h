// Keys as people type them.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "ndb/key.h"

namespace ndb::tools {

// A url-safe key, which says itself where it lives; or, if there is a colon in it, a path in `where`: elements Kind:id
// with slashes between them. An id of digits is a number, `name=` before it makes it a name; %XX is the byte with this
// code. INVALID_ARGUMENT names the text and says what to write. The key is complete; if `where` has no project, so has
// a path.
absl::StatusOr<Key> parse_key(std::string_view text, const Partition& where);

}  // namespace ndb::tools
