// The part of the protobuf wire format that keys and entities need. Readers never read past their input, whatever it
// contains.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ndb::detail {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kStartGroup = 3, kEndGroup = 4, kFixed32 = 5 };

constexpr std::uint32_t wire_tag(std::uint32_t field, WireType type) { return field << 3 | type; }

constexpr std::size_t varint_size(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Writes `value` at `out`, which must have room for it, and returns the end.
inline char* write_varint(char* out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  char bytes[10];
  out.append(bytes, write_varint(bytes, value));
}

inline void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  append_varint(out, wire_tag(field, kLength));
  append_varint(out, bytes.size());
  out.append(bytes);
}

// Reads one message in one pass. Every function returns false when the input is malformed; the reader must not be used
// afterwards.
class WireReader {
 public:
  explicit WireReader(std::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}

  bool done() const { return at_ == end_; }

  bool varint(std::uint64_t& value) {
    if (at_ != end_ && static_cast<signed char>(*at_) >= 0) {
      value = static_cast<unsigned char>(*at_++);
      return true;
    }
    if (end_ - at_ >= 2 && static_cast<signed char>(at_[1]) >= 0) {  // the usual length of larger fields
      value = (static_cast<unsigned char>(at_[0]) & 0x7fu) | static_cast<unsigned>(at_[1]) << 7;
      at_ += 2;
      return true;
    }
    return long_varint(value);
  }

  bool tag(std::uint32_t& tag) {
    std::uint64_t value;
    if (!varint(value) || value > UINT32_MAX || value >> 3 == 0) return false;
    tag = static_cast<std::uint32_t>(value);
    return true;
  }

  bool bytes(std::string_view& value) {
    std::uint64_t size;
    if (!varint(size) || size > static_cast<std::uint64_t>(end_ - at_)) return false;
    value = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }

  bool number(double& value) {
    if (end_ - at_ < 8) return false;
    std::uint64_t bits = 0;
    for (int i = 7; i >= 0; --i) bits = bits << 8 | static_cast<unsigned char>(at_[i]);
    value = std::bit_cast<double>(bits);
    at_ += 8;
    return true;
  }

  // Skips the field that `tag` has opened.
  bool skip(std::uint32_t tag);

 private:
  bool long_varint(std::uint64_t& value);
  bool skip_group(std::uint32_t field);

  const char* at_;
  const char* end_;
};

// Whether `text` is valid UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace ndb::detail
