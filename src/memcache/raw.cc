// Items that are no records: the user's own, and the tags of the process-wide cache. Each kind has a prefix that no
// record has.

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/strings.h"
#include "memcache/memcache_gateway.h"

namespace ndb::memcache {
namespace {

constexpr std::string_view kRawPrefix = "ndbu:";
constexpr std::string_view kTagPrefix = "ndbt:";
constexpr std::size_t kMaxName = 250;
constexpr std::size_t kTagSize = 16;
constexpr int kResets = 3;  // attempts

std::string raw_name(std::string_view key) { return plain_name(kRawPrefix, key); }

// A token is a CAS unique hidden under its epoch. Read under another epoch it is some number that no item has.
std::uint64_t from_token(std::uint64_t token, std::uint64_t epoch) { return token == 0 ? 0 : token ^ mix_bits(epoch); }

}  // namespace

Store new_tag(Verb verb, seconds timeout, WallTime now) {
  std::string body;
  append_le(body, new_token());
  append_le(body, new_token());
  return {.verb = verb, .body = std::move(body), .ttl = memcached_ttl(timeout, now)};
}

std::uint64_t to_token(const Unique& unique) { return unique.cas == 0 ? 0 : unique.cas ^ mix_bits(unique.epoch); }

// Keys that memcached would refuse are hashed, and so are those that could be taken for a hash.
std::string plain_name(std::string_view prefix, std::string_view key) {
  const bool plain =
      !key.empty() && key.front() != '#' && prefix.size() + key.size() <= kMaxName &&
      std::ranges::all_of(key, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; });
  return plain ? cat(prefix, key) : cat(prefix, '#', base64url_encode(sha256(key)));
}

PlainEntry raw_entry(const Cluster& cluster, const RawRead& read) {
  PlainEntry entry{.name = raw_name(read.key)};
  entry.server = cluster.home(entry.name);
  return entry;
}

// Whoever finds no tag adds a random one and goes by what stands then, which may be another's.
PlainEntry tag_entry(const Cluster& cluster, const TagRead& read) {
  PlainEntry entry{.name = plain_name(kTagPrefix, read.name), .tag = true, .timeout = read.timeout};
  entry.server = cluster.home(entry.name);
  return entry;
}

std::optional<Tag> tag_of(const PlainEntry& entry) {
  if (!entry.answered || !entry.found || entry.found->value.size() != kTagSize) return std::nullopt;
  return Tag{load_le<std::uint64_t>(entry.found->value), load_le<std::uint64_t>(entry.found->value, 8)};
}

// A blind set is safe: whatever tag it replaces, what was filed under that one is no longer served. It is read back,
// because an answer would not say whether it has reached the right item unharmed.
absl::Status MemcacheGateway::reset_tags(std::span<const std::string> names, seconds timeout) {
  if (fenced()) return ring_error();
  struct Reset {
    const std::string* of;
    std::string name;
    bool stands = false;
  };
  std::vector<Reset> left;
  left.reserve(names.size());
  for (const std::string& name : names) left.push_back({&name, plain_name(kTagPrefix, name)});
  for (int attempt = 0; attempt < kResets && !left.empty(); ++attempt) {
    std::vector<Command> commands;
    commands.reserve(left.size());
    for (const Reset& reset : left) {
      commands.push_back({.server = cluster_->home(reset.name),
                          .name = reset.name,
                          .store = new_tag(Verb::kSet, timeout, now()),
                          .insist = true});
    }
    handles_.mine().round_trip(
        commands, [&](std::size_t i, const Item& item) { left[i].stands = item.body == commands[i].store->body; });
    for (std::size_t i = 0; i < left.size(); ++i) left[i].stands &= commands[i].answered;
    std::erase_if(left, [](const Reset& reset) { return reset.stands; });
  }
  if (left.empty()) return absl::OkStatus();
  const Reset& first = left.front();
  return absl::UnavailableError(cat("memcached server ", cluster_->address(cluster_->home(first.name)).to_string(),
                                    " did not confirm that ", quoted(*first.of), " is invalidated"));
}

bool MemcacheGateway::raw_store(RawStore how, std::string_view key, std::string_view value, seconds timeout) {
  const std::string name = raw_name(key);
  if (!cluster_->fits(name, value.size())) return false;
  const Verb verb = how == RawStore::kAdd ? Verb::kAdd : how == RawStore::kReplace ? Verb::kReplace : Verb::kSet;
  const Store store{.verb = verb, .body = std::string(value), .ttl = memcached_ttl(timeout, now())};
  return handles_.mine()
      .with(cluster_->home(name), [&](Connection& connection) { return connection.store(name, store); })
      .value_or(false);
}

bool MemcacheGateway::raw_cas(std::string_view key, std::string_view value, std::uint64_t token, seconds timeout) {
  const std::string name = raw_name(key);
  if (!cluster_->fits(name, value.size())) return false;
  Store store{.verb = Verb::kCas, .body = std::string(value), .ttl = memcached_ttl(timeout, now())};
  const auto cas = [&](Connection& connection) {
    store.unique = {connection.epoch(), from_token(token, connection.epoch())};
    return connection.store(name, store);
  };
  return handles_.mine().with(cluster_->home(name), cas).value_or(false);
}

bool MemcacheGateway::raw_delete(std::string_view key) {
  const std::string name = raw_name(key);
  assert(name.starts_with(kRawPrefix));  // I5: no record is ever deleted, and this is the only delete there is
  return handles_.mine()
      .with(cluster_->home(name), [&](Connection& connection) { return connection.remove(name); })
      .value_or(false);
}

std::optional<std::uint64_t> MemcacheGateway::raw_add_number(std::string_view key, std::int64_t delta,
                                                             std::optional<std::uint64_t> initial) {
  const std::string name = raw_name(key);
  const std::size_t server = cluster_->home(name);
  Handle& handle = handles_.mine();
  const auto add = [&](Connection& connection) { return connection.add_number(name, delta); };
  auto sum = handle.with(server, add);
  if (!sum || *sum || !initial) return sum.value_or(std::nullopt);
  // No such item: it starts from `initial`, unless somebody else starts it first. Like memcached, no less than 0.
  const std::uint64_t down = delta < 0 ? ~static_cast<std::uint64_t>(delta) + 1 : 0;
  const std::uint64_t first =
      delta < 0 ? *initial - std::min(*initial, down) : *initial + static_cast<std::uint64_t>(delta);
  if (raw_store(RawStore::kAdd, key, cat(first), seconds(0))) return first;
  return handle.with(server, add).value_or(std::nullopt);
}

}  // namespace ndb::memcache
