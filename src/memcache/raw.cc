// Raw access: the user's own items, under a prefix that no record has.

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/strings.h"
#include "memcache/memcache_gateway.h"

namespace ndb::memcache {
namespace {

constexpr std::string_view kPrefix = "ndbu:";
constexpr std::size_t kMaxName = 250;

// Keys that memcached would refuse are hashed, and so are those that could be taken for a hash.
std::string raw_name(std::string_view key) {
  const bool plain =
      !key.empty() && key.front() != '#' && kPrefix.size() + key.size() <= kMaxName &&
      std::ranges::all_of(key, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; });
  return plain ? cat(kPrefix, key) : cat(kPrefix, '#', base64url_encode(sha256(key)));
}

// Scrambles the bits of a number, one to one.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// A token is a CAS unique hidden under its epoch. Read under another epoch it is some number that no item has.
std::uint64_t to_token(const Unique& unique) { return unique.cas == 0 ? 0 : unique.cas ^ mix(unique.epoch); }
std::uint64_t from_token(std::uint64_t token, std::uint64_t epoch) { return token == 0 ? 0 : token ^ mix(epoch); }

}  // namespace

std::vector<std::optional<Gateway::RawItem>> MemcacheGateway::raw_get(std::span<const std::string> keys, bool tokens) {
  std::vector<std::string> names(keys.size());
  std::ranges::transform(keys, names.begin(), raw_name);
  std::vector<Command> commands(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) commands[i] = {.server = cluster_->home(names[i]), .name = names[i]};
  std::vector<std::optional<RawItem>> items(keys.size());
  handles_.mine().round_trip(commands, [&](std::size_t i, const Item& item) {
    items[i] = {.value = std::string(item.body), .token = tokens ? to_token(item.unique) : 0};
  });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!commands[i].answered) items[i].reset();
  }
  return items;
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
  assert(name.starts_with(kPrefix));  // I5: no record is ever deleted, and this is the only delete there is
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
