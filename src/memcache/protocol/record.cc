#include "memcache/protocol/record.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

#include "base/strings.h"

namespace ndb::memcache {
namespace {

constexpr std::string_view kPrefix = "ndb1:";

constexpr std::uint32_t kMagic = 0x4E44;
constexpr std::uint32_t kFormat = 1;
constexpr std::uint32_t flags_of(State state) {
  return kMagic << 16 | kFormat << 8 | static_cast<std::uint32_t>(state);
}

constexpr std::size_t kHead = 8 + 8 + 4 + 2;  // version, read time, expiry, length of the key
constexpr std::size_t kHolder = 8 + 4;
constexpr std::size_t kChecksum = 8;

enum class Coding : unsigned char { kPlain = 0, kZstd = 1 };

// The flags are the seed, so that the checksum covers them too.
std::uint64_t checksum(std::uint32_t flags, std::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), flags);
}

void append_payload(std::string& out, std::string_view payload, std::size_t compress_above) {
  const std::size_t start = out.size();
  if (payload.size() > compress_above) {
    out.resize(start + 1 + ZSTD_compressBound(payload.size()));
    out[start] = static_cast<char>(Coding::kZstd);
    const std::size_t size =
        ZSTD_compress(out.data() + start + 1, out.size() - start - 1, payload.data(), payload.size(), 1);
    if (ZSTD_isError(size) == 0 && size < payload.size()) {
      out.resize(start + 1 + size);
      return;
    }
    out.resize(start);
  }
  out.push_back(static_cast<char>(Coding::kPlain));
  out.append(payload);
}

// The size of the content of a zstd frame, as its header declares it; nothing if it is no frame, or declares more than
// a record may hold.
std::optional<std::size_t> content_size(std::string_view frame) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > kMaxPayload) return std::nullopt;
  return static_cast<std::size_t>(size);
}

// Reads the fields of a body in order. After a field that is incomplete, all fields are zero and ok() is false.
class Fields {
 public:
  explicit Fields(std::string_view body) : rest_(body) {}
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <class Unsigned>
  Unsigned number() {
    const std::string_view field = bytes(sizeof(Unsigned));
    return ok_ ? load_le<Unsigned>(field) : Unsigned{0};
  }
  std::string_view rest() { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool inflate(std::string_view frame, std::size_t& budget, Record& record) {
  const std::optional<std::size_t> size = content_size(frame);
  if (!size) return false;
  if (*size > budget) {
    record.payload_left_out = true;
    return true;
  }
  budget -= *size;
  record.payload.resize(*size);
  return ZSTD_decompress(record.payload.data(), *size, frame.data(), frame.size()) == *size;
}

bool parse_payload(Fields& fields, const PayloadWanted& wanted, Record& record) {
  if (wanted.inflated == nullptr || (wanted.known != 0 && record.version == wanted.known)) {
    record.payload_left_out = true;
    return true;
  }
  const auto coding = static_cast<Coding>(fields.number<unsigned char>());
  const std::string_view stored = fields.rest();
  if (!fields.ok()) return false;
  if (coding == Coding::kZstd) return inflate(stored, *wanted.inflated, record);
  if (coding != Coding::kPlain || stored.size() > kMaxPayload) return false;
  record.payload.assign(stored);
  return true;
}

bool parse_lock(Fields& fields, Record& record) {
  record.contended_until = fields.number<std::uint32_t>();
  const auto count = fields.number<std::uint16_t>();
  for (std::size_t i = 0; i < count && fields.ok(); ++i) {
    Holder holder;
    holder.token = fields.number<std::uint64_t>();
    holder.deadline = fields.number<std::uint32_t>();
    record.holders.push_back(holder);
  }
  return fields.at_end();
}

bool parse_fields(Fields& fields, const PayloadWanted& wanted, Record& record) {
  switch (record.state) {
    case State::kEmpty:
      record.token = fields.number<std::uint64_t>();
      return fields.at_end();
    case State::kLock:
      return parse_lock(fields, record);
    case State::kValue:
      return parse_payload(fields, wanted, record);
    case State::kNeg:
      return fields.at_end();
    case State::kCached:
      record.token = fields.number<std::uint64_t>();
      return parse_payload(fields, {.known = 0, .inflated = wanted.inflated}, record);
  }
  return false;
}

}  // namespace

std::string record_name(std::string_view key) {
  std::string name = cat(kPrefix, base64url_encode(key));
  return name.size() <= kMaxName ? name : cat(kPrefix, base64url_encode(sha256(key)));
}

Encoded encode(const Record& record, std::string_view key, std::size_t compress_above) {
  Encoded out;
  out.flags = flags_of(record.state);
  std::string& body = out.body;
  body.reserve(kHead + key.size() + 8 + 1 + kHolder * record.holders.size() + record.payload.size() + kChecksum);
  append_le(body, record.version);
  append_le(body, static_cast<std::uint64_t>(record.read_time.time_since_epoch().count()));
  append_le(body, record.expiry);
  append_le(body, static_cast<std::uint16_t>(key.size()));
  body.append(key);
  if (record.state == State::kEmpty || record.state == State::kCached) append_le(body, record.token);
  if (record.state == State::kLock) {
    append_le(body, record.contended_until);
    append_le(body, static_cast<std::uint16_t>(record.holders.size()));
    for (const Holder& holder : record.holders) {
      append_le(body, holder.token);
      append_le(body, holder.deadline);
    }
  }
  if (record.state == State::kValue || record.state == State::kCached) {
    append_payload(body, record.payload, compress_above);
  }
  body = with_checksum(out.flags, std::move(body));
  return out;
}

std::string with_checksum(std::uint32_t flags, std::string covered) {
  append_le(covered, checksum(flags, covered));
  return covered;
}

Parsed parse(std::uint32_t flags, std::string_view body, std::string_view key, const PayloadWanted& wanted,
             Record& record) {
  const auto state = static_cast<State>(flags & 0xFF);
  if (flags >> 8 != (kMagic << 8 | kFormat) || state < State::kEmpty || state > State::kCached) return Parsed::kUnknown;
  if (body.size() < kHead + kChecksum) return Parsed::kCorrupt;
  const std::string_view covered = body.substr(0, body.size() - kChecksum);
  if (load_le<std::uint64_t>(body, covered.size()) != checksum(flags, covered)) return Parsed::kCorrupt;

  Fields fields(covered);
  Record parsed;
  parsed.state = state;
  parsed.version = fields.number<std::uint64_t>();
  parsed.read_time = WallTime(std::chrono::microseconds(static_cast<std::int64_t>(fields.number<std::uint64_t>())));
  parsed.expiry = fields.number<std::uint32_t>();
  const auto key_size = fields.number<std::uint16_t>();
  if (fields.bytes(key_size) != key || !parse_fields(fields, wanted, parsed)) return Parsed::kCorrupt;
  record = std::move(parsed);
  return Parsed::kRecord;
}

Parsed parse_whole(std::uint32_t flags, std::string_view body, std::string_view key, Record& record) {
  std::size_t inflated = kMaxPayload;
  return parse(flags, body, key, {.known = 0, .inflated = &inflated}, record);
}

}  // namespace ndb::memcache
