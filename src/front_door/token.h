// Authentication of callers.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ndb::local {

// The token that callers send as `Authorization: Bearer TOKEN`. Thread-safe.
class Token {
 public:
  explicit Token(std::string_view token);  // empty: everybody may call

  bool required() const { return !digest_.empty(); }

  // UNAUTHENTICATED, with what to do, unless `authorization` has the token. Takes the same time whatever the
  // difference.
  absl::Status check(std::string_view authorization) const;

 private:
  std::string digest_;
};

// INVALID_ARGUMENT if the token cannot be sent in a header.
absl::Status check_token(std::string_view token);

}  // namespace ndb::local
