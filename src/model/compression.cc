#include "model/compression.h"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace ndb::detail {
namespace {

// zlib takes its input by pointers to non-const bytes, but does not write them.
Bytef* input(std::string_view bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); }

}  // namespace

std::string deflated(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(out.data()), &size, input(bytes), bytes.size()) != Z_OK) throw std::bad_alloc();
  out.resize(size);
  return out;
}

Inflated inflate(std::string_view bytes, std::size_t limit, std::string& out) {
  out.clear();
  z_stream stream{};
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  if (stream.avail_in != bytes.size() || inflateInit(&stream) != Z_OK) return Inflated::kMalformed;
  int code = Z_OK;
  while (code == Z_OK && out.size() <= limit) {
    const std::size_t done = out.size();
    out.resize(std::min(limit + 1, std::max<std::size_t>(4 * bytes.size(), 2 * done)));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(out.size() - done);
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (code == Z_OK && stream.avail_out != 0) break;  // it needs more input, and there is none
  }
  inflateEnd(&stream);
  if (out.size() > limit) return Inflated::kTooLarge;
  return code == Z_STREAM_END && stream.avail_in == 0 ? Inflated::kWhole : Inflated::kMalformed;
}

}  // namespace ndb::detail
