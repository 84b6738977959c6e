#include "front_door/token.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "base/strings.h"

namespace ndb::local {

Token::Token(std::string_view token) : digest_(token.empty() ? "" : sha256(token)) {}

// Compares digests, which have the same length, so that not even the token's length leaks.
absl::Status Token::check(std::string_view authorization) const {
  if (!required()) return absl::OkStatus();
  constexpr std::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(to_absl(authorization), to_absl(kScheme))) {
    return absl::UnauthenticatedError(
        "This Datastore asks for a token: send it as `authorization: Bearer TOKEN`, in gRPC's metadata or as an HTTP "
        "header.");
  }
  const std::string given = sha256(authorization.substr(kScheme.size()));
  if (CRYPTO_memcmp(given.data(), digest_.data(), digest_.size()) == 0) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "This is not the token of this Datastore: send the one that it was started with (--auth-token).");
}

absl::Status check_token(std::string_view token) {
  if (std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; })) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the auth token must be of visible ASCII characters without spaces, as it is sent in a header");
}

}  // namespace ndb::local
