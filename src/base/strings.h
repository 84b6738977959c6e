// Strings and bytes. Debian's Abseil has its own string_view, which does not convert to or from std::string_view; only
// this header converts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace ndb {

inline absl::string_view to_absl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view from_absl(absl::string_view s) { return {s.data(), s.size()}; }

namespace detail {
inline void append_piece(std::string& out, std::string_view piece) { out.append(piece); }
inline void append_piece(std::string& out, char c) { out.push_back(c); }
template <class N>
  requires std::is_arithmetic_v<N>
void append_piece(std::string& out, N number) {
  out.append(std::to_string(number));
}
}  // namespace detail

// The pieces (strings, characters, numbers) joined: what absl::StrCat does, for std::string_view.
template <class... Piece>
std::string cat(const Piece&... pieces) {
  std::string out;
  (detail::append_piece(out, pieces), ...);
  return out;
}

// base64 with `-` and `_`, without padding (RFC 4648 section 5). Decoding accepts padding, and nothing else outside the
// alphabet.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// Percent-encoding (RFC 3986): letters, digits and "-_.~" stay, every other byte becomes %XX, so that the text is
// ASCII without blanks. Decoding gives nullopt where a % is not followed by two hexadecimal digits.
std::string percent_encoded(std::string_view text);
std::optional<std::string> percent_decoded(std::string_view text);

// The 32 bytes of SHA-256.
std::string sha256(std::string_view bytes);

// For messages: printable ASCII as it is, everything else as \xNN, at most `limit` bytes of it, in double quotes.
std::string quoted(std::string_view bytes, std::size_t limit = 100);

// Little-endian numbers at the end of `out`, and from `in` at `offset` (the caller has checked the size).
template <class Unsigned>
void append_le(std::string& out, Unsigned value) {
  char bytes[sizeof value];
  for (std::size_t i = 0; i < sizeof value; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out.append(bytes, sizeof value);
}
template <class Unsigned>
Unsigned load_le(std::string_view in, std::size_t offset = 0) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value |= static_cast<Unsigned>(static_cast<Unsigned>(static_cast<unsigned char>(in[offset + i])) << (8 * i));
  }
  return value;
}

}  // namespace ndb
