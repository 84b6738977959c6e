#include "front_door/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>

namespace ndb::local {
namespace {

constexpr int kGzip = 16 + MAX_WBITS;  // zlib's constant for gzip headers

Bytef* input(std::string_view bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); }

}  // namespace

absl::StatusOr<std::string> gunzip(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) return absl::ResourceExhaustedError("zlib has no memory");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, &inflateEnd);
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::array<char, 16 << 10> piece;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    const std::size_t size = piece.size() - stream.avail_out;
    if (out.size() + size > limit) return absl::OutOfRangeError("the body is too large without its gzip");
    out.append(piece.data(), size);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return out;
      if (inflateReset(&stream) != Z_OK) break;  // a gzip file may have several members
    } else if (result != Z_OK) {
      break;
    }
  }
  return absl::InvalidArgumentError("The body is not whole, valid gzip, as its Content-Encoding says.");
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> end(&stream, &deflateEnd);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return "";
  out.resize(out.size() - stream.avail_out);
  return out;
}

}  // namespace ndb::local
