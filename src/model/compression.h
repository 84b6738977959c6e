// zlib streams, as NDB keeps compressed properties.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ndb::detail {

// A stored entity has at most a megabyte, which can inflate a thousandfold.
inline constexpr std::size_t kMaxInflatedBytes = 64 << 20;

std::string deflated(std::string_view bytes);

// Nothing if `bytes` are no whole zlib stream, or are above kMaxInflatedBytes when inflated.
std::optional<std::string> inflated(std::string_view bytes);

// Whether `bytes` begin as a zlib stream of the usual settings does: how NDB knows what lost its meaning.
inline bool looks_deflated(std::string_view bytes) { return bytes.starts_with("x\x9c"); }

}  // namespace ndb::detail
