// zlib streams, the form in which NDB stores compressed properties.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ndb::detail {

std::string deflated(std::string_view bytes);

// Inflates a zlib stream into `out`. Takes no more memory than about three times `limit`, whatever the bytes.
enum class Inflated { kWhole, kTooLarge, kMalformed };  // kTooLarge: to more than `limit` bytes
Inflated inflate(std::string_view bytes, std::size_t limit, std::string& out);

// Whether `bytes` begin like a zlib stream with the usual settings. NDB uses this to recognise values that lost their
// meaning.
inline bool looks_deflated(std::string_view bytes) { return bytes.starts_with("x\x9c"); }

}  // namespace ndb::detail
