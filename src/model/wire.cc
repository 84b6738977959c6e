#include "model/wire.h"

namespace ndb::detail {
namespace {

constexpr int kMaxGroupDepth = 100;

}  // namespace

bool WireReader::long_varint(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at_++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool WireReader::skip(std::uint32_t tag) {
  std::uint64_t ignored;
  std::string_view bytes_ignored;
  switch (tag & 7) {
    case kVarint:
      return varint(ignored);
    case kLength:
      return bytes(bytes_ignored);
    case kStartGroup:
      return skip_group(tag >> 3);
    case kFixed64:
    case kFixed32: {
      const int size = (tag & 7) == kFixed64 ? 8 : 4;
      if (end_ - at_ < size) return false;
      at_ += size;
      return true;
    }
    default:
      return false;
  }
}

bool WireReader::skip_group(std::uint32_t field) {
  std::uint32_t open[kMaxGroupDepth] = {field};
  int depth = 1;
  while (depth > 0) {
    std::uint32_t inner;
    if (!tag(inner)) return false;
    if ((inner & 7) == kStartGroup) {
      if (depth == kMaxGroupDepth) return false;
      open[depth++] = inner >> 3;
    } else if ((inner & 7) == kEndGroup) {
      if (open[--depth] != inner >> 3) return false;
    } else if (!skip(inner)) {
      return false;
    }
  }
  return true;
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    std::uint64_t eight;
    if (end - at >= 8 && (std::memcpy(&eight, at, 8), (eight & 0x8080808080808080u) == 0)) {
      at += 8;
      continue;
    }
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
    std::uint32_t point = lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i, ++at) {
      if ((*at & 0xC0) != 0x80) return false;
      point = point << 6 | (*at & 0x3Fu);
    }
    if ((more == 2 && point < 0x800) || (more == 3 && point < 0x10000)) return false;
    if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace ndb::detail
