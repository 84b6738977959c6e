#include "base/strings.h"

#include <openssl/sha.h>

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace ndb {

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  absl::WebSafeBase64Escape(to_absl(bytes), &out);
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  // Abseil's decoder skips white space, which our keys and tokens must not contain.
  if (text.find_first_of(" \t\r\n\f\v") != text.npos) return std::nullopt;
  std::string out;
  if (!absl::WebSafeBase64Unescape(to_absl(text), &out)) return std::nullopt;
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || std::string_view("-_.~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
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
