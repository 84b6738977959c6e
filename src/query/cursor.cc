#include "ndb/cursor.h"

#include <optional>

#include "base/strings.h"
#include "ndb/error.h"

namespace ndb {

std::string Cursor::urlsafe() const { return base64url_encode(bytes_); }

Cursor Cursor::from_urlsafe(std::string_view text) {
  std::optional<std::string> bytes = base64url_decode(text);
  if (!bytes) throw BadArgumentError(cat("not the text of a cursor: ", quoted(text)));
  return Cursor(*std::move(bytes));
}

}  // namespace ndb
