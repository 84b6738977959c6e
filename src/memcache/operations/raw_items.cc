// The user's own items.

#include <algorithm>
#include <cassert>

#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"

namespace ndb::memcache {

bool MemcacheGateway::raw_store(RawStore how, std::string_view key, std::string_view value, seconds timeout) {
  const std::string name = raw_name(key);
  if (!cluster_->fits(name, value.size())) return false;
  const Verb verb = how == RawStore::kAdd ? Verb::kAdd : how == RawStore::kReplace ? Verb::kReplace : Verb::kSet;
  const Store store{.verb = verb, .body = std::string(value), .ttl = memcached_ttl(timeout, now())};
  return connections_.mine()
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
  return connections_.mine().with(cluster_->home(name), cas).value_or(false);
}

bool MemcacheGateway::raw_delete(std::string_view key) {
  const std::string name = raw_name(key);
  assert(name.starts_with("ndbu:"));  // I5: no record is ever deleted, and this is the only delete there is
  return connections_.mine()
      .with(cluster_->home(name), [&](Connection& connection) { return connection.remove(name); })
      .value_or(false);
}

std::optional<std::uint64_t> MemcacheGateway::raw_add_number(std::string_view key, std::int64_t delta,
                                                             std::optional<std::uint64_t> initial) {
  const std::string name = raw_name(key);
  const std::size_t server = cluster_->home(name);
  ThreadConnections& connections = connections_.mine();
  const auto add = [&](Connection& connection) { return connection.add_number(name, delta); };
  auto sum = connections.with(server, add);
  if (!sum || *sum || !initial) return sum.value_or(std::nullopt);
  // No such item: it starts from `initial`, unless somebody else starts it first. Like memcached, no less than 0.
  const std::uint64_t down = delta < 0 ? ~static_cast<std::uint64_t>(delta) + 1 : 0;
  const std::uint64_t first =
      delta < 0 ? *initial - std::min(*initial, down) : *initial + static_cast<std::uint64_t>(delta);
  if (raw_store(RawStore::kAdd, key, cat(first), seconds(0))) return first;
  return connections.with(server, add).value_or(std::nullopt);
}

}  // namespace ndb::memcache
