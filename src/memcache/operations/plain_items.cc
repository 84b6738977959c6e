#include "memcache/operations/plain_items.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "memcache/operations/records.h"
#include "memcache/protocol/record.h"

namespace ndb::memcache {
namespace {

constexpr std::string_view kRawPrefix = "ndbu:";
constexpr std::string_view kTagPrefix = "ndbt:";
constexpr std::size_t kTagSize = 16;

constexpr std::uint32_t kVerbatim = 1;  // flags of an item

// The digits of a number that is padded with spaces; nothing if `body` has another form.
std::optional<std::string_view> padded_number(std::string_view body) {
  const std::size_t digits = std::min(body.find_first_not_of("0123456789"), body.size());
  if (digits == 0 || digits == body.size() || body.find_first_not_of(' ', digits) != body.npos) return std::nullopt;
  return body.substr(0, digits);
}

// `prefix` and the caller's key, which may be any bytes. Keys that memcached would refuse are hashed, and so are keys
// that look like such a hash.
std::string plain_name(std::string_view prefix, std::string_view key) {
  const bool plain =
      !key.empty() && key.front() != '#' && prefix.size() + key.size() <= kMaxName &&
      std::ranges::all_of(key, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; });
  return plain ? cat(prefix, key) : cat(prefix, '#', base64url_encode(sha256(key)));
}

}  // namespace

std::string raw_name(std::string_view key) { return plain_name(kRawPrefix, key); }
std::string tag_name(std::string_view name) { return plain_name(kTagPrefix, name); }

std::uint32_t raw_flags(std::string_view value) { return padded_number(value) ? kVerbatim : 0; }

std::string_view raw_value_of(std::uint32_t flags, std::string_view body) {
  return flags == kVerbatim ? body : padded_number(body).value_or(body);
}

Store new_tag(Verb verb, seconds timeout, WallTime now) {
  std::string body;
  append_le(body, new_token());
  append_le(body, new_token());
  return {.verb = verb, .body = std::move(body), .ttl = memcached_ttl(timeout, now)};
}

std::uint64_t to_token(const Unique& unique) { return unique.cas == 0 ? 0 : unique.cas ^ mix_bits(unique.epoch); }

PlainItem plain_item(const Cluster& cluster, const RawRead& read) {
  PlainItem item{.name = raw_name(read.key)};
  item.server = cluster.home(item.name);
  return item;
}

// A reader that finds no tag adds a random one, and uses the one that it then reads back, which may be another
// reader's.
PlainItem plain_item(const Cluster& cluster, const TagRead& read) {
  PlainItem item{.name = tag_name(read.name), .tag = true, .timeout = read.timeout};
  item.server = cluster.home(item.name);
  return item;
}

std::uint64_t from_token(std::uint64_t token, std::uint64_t epoch) { return token == 0 ? 0 : token ^ mix_bits(epoch); }

std::optional<Tag> tag_of(const PlainItem& item) {
  if (!item.answered || !item.found || item.found->value.size() != kTagSize) return std::nullopt;
  return Tag{load_le<std::uint64_t>(item.found->value), load_le<std::uint64_t>(item.found->value, 8)};
}

std::int64_t memcached_ttl(seconds duration, WallTime now) {
  constexpr seconds kLongestRelative = std::chrono::days(30);
  constexpr seconds kLatestDate{std::numeric_limits<std::int32_t>::max()};
  if (duration <= seconds(0)) return 0;
  if (duration <= kLongestRelative) return duration.count();
  const seconds today{unix_seconds(now)};
  if (duration <= kLatestDate - today) return (today + duration).count();
  return kLatestDate - today > kLongestRelative ? kLatestDate.count() : kLongestRelative.count();
}

}  // namespace ndb::memcache
