// Keys as people type them.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "ndb/key.h"

namespace ndb::tools {

// Parses a url-safe key, which has its own partition; or, if there is a colon in it, a path in `where`: elements
// Kind:id, separated by slashes. An id of digits is a number unless `name=` precedes it; %XX is the byte with this
// code. INVALID_ARGUMENT quotes the text and says what to write. The key is complete; it has no project if `where` has
// none.
absl::StatusOr<Key> parse_key(std::string_view text, const Partition& where);

}  // namespace ndb::tools
