#include "base/strings.h"

#include <openssl/sha.h>

#include <array>

#include "absl/strings/escaping.h"

namespace ndb {

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  absl::WebSafeBase64Escape(to_absl(bytes), &out);
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  // Abseil's decoder skips white space, which no key or token of ours contains.
  if (text.find_first_of(" \t\r\n\f\v") != text.npos) return std::nullopt;
  std::string out;
  if (!absl::WebSafeBase64Unescape(to_absl(text), &out)) return std::nullopt;
  return out;
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string quoted(std::string_view bytes, std::size_t limit) {
  const bool cut = bytes.size() > limit;
  return cat('"', absl::CHexEscape(to_absl(bytes.substr(0, limit))), cut ? "...\"" : "\"");
}

}  // namespace ndb
