// The user's own items.

#include <algorithm>
#include <cassert>

#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"

namespace ndb::memcache {
namespace {

constexpr std::int64_t kEndsAtOnce = -1;  // memcached treats a negative time as expired

}  // namespace

// A value that memcached would refuse is not sent. An item that expires at once is stored instead, so that the older
// value is not served in place of the new one. memcached does the same for a `set` that is too large.
Store MemcacheGateway::raw_value(Verb verb, std::string_view name, std::string_view value, seconds timeout) const {
  if (!cluster_->fits(name, value.size())) return {.verb = verb, .ttl = kEndsAtOnce};
  return {.verb = verb, .flags = raw_flags(value), .body = std::string(value), .ttl = memcached_ttl(timeout, now())};
}

bool MemcacheGateway::raw_store(RawStore how, std::string_view key, std::string_view value, seconds timeout) {
  const std::string name = raw_name(key);
  const Verb verb = how == RawStore::kAdd ? Verb::kAdd : how == RawStore::kReplace ? Verb::kReplace : Verb::kSet;
  const Store store = raw_value(verb, name, value, timeout);
  const auto send = [&](Connection& connection) { return connection.store(name, store); };
  return connections_.mine().with(cluster_->home(name), send).value_or(false) && store.ttl != kEndsAtOnce;
}

bool MemcacheGateway::raw_cas(std::string_view key, std::string_view value, std::uint64_t token, seconds timeout) {
  const std::string name = raw_name(key);
  Store store = raw_value(Verb::kCas, name, value, timeout);
  const auto send = [&](Connection& connection) {
    store.unique = {connection.epoch(), from_token(token, connection.epoch())};
    return connection.store(name, store);
  };
  return connections_.mine().with(cluster_->home(name), send).value_or(false) && store.ttl != kEndsAtOnce;
}

bool MemcacheGateway::raw_delete(std::string_view key) {
  const std::string name = raw_name(key);
  assert(name.starts_with("ndbu:"));  // I5: no record is ever deleted; this is the only delete
  return connections_.mine()
      .with(cluster_->home(name), [&](Connection& connection) { return connection.remove(name); })
      .value_or(false);
}

std::optional<std::uint64_t> MemcacheGateway::raw_add_number(std::string_view key, std::int64_t delta,
                                                             std::optional<std::uint64_t> initial) {
  const std::string name = raw_name(key);
  const auto add = [&] {
    return connections_.mine().with(cluster_->home(name),
                                    [&](Connection& connection) { return connection.add_number(name, delta); });
  };
  Sum sum = add();
  if (sum.outcome == Sum::Outcome::kAbsent && initial) {
    // Starts from `initial`, unless somebody else creates the item first. Like memcached, it never goes below 0.
    const std::uint64_t down = delta < 0 ? ~static_cast<std::uint64_t>(delta) + 1 : 0;
    const std::uint64_t first =
        delta < 0 ? *initial - std::min(*initial, down) : *initial + static_cast<std::uint64_t>(delta);
    if (raw_store(RawStore::kAdd, key, cat(first), seconds(0))) return first;
    sum = add();
  }
  return sum.outcome == Sum::Outcome::kDone ? std::optional(sum.value) : std::nullopt;
}

}  // namespace ndb::memcache
