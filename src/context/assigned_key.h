// The keys that the Datastore completes.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "ndb/key.h"

namespace ndb::context {

// The key in an answer to `asked`, which is incomplete. INTERNAL if it differs from it in more than the id.
inline absl::StatusOr<Key> assigned_key(const Key& asked, std::string_view bytes) {
  if (bytes.empty()) return absl::InternalError("the Datastore assigned no id");
  NDB_ASSIGN_OR_RETURN(Key key, Key::from_bytes(bytes));
  const bool fits = key.is_complete() && key.project() == asked.project() && key.database() == asked.database() &&
                    key.namespace_() == asked.namespace_() && key.kind() == asked.kind() &&
                    key.parent() == asked.parent();
  if (fits) return key;
  return absl::InternalError(
      to_absl(cat("the Datastore answered with ", key.to_string(), " where it should complete ", asked.to_string())));
}

}  // namespace ndb::context
