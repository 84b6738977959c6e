// Entities that are stored only in memcache: records in state CACHED.

#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"

namespace ndb::memcache {
namespace {

// How many races an operation on a CACHED record may lose.
constexpr int kTries = 4;

}  // namespace

absl::Status MemcacheGateway::put_cached(const Key& key, std::string_view payload, seconds timeout) {
  if (fenced()) return ring_error();
  std::vector<Entry> one = records_.entries({&key, 1});
  const Place& place = one[0].place;
  if (!records_.fits(place, payload)) {
    return absl::InvalidArgumentError(cat(key.to_string(), " is too large for a memcached item of ",
                                          cluster_->config().max_item_size, " bytes: ", payload.size(), " bytes"));
  }
  const std::uint64_t token = new_token();
  records_.converge(one, kTries,
                    [&](Entry& entry, int) { return put_cached_step(entry.seen, payload, timeout, token, now()); });
  if (one[0].seen.is(State::kLock)) {
    return absl::UnavailableError(cat(key.to_string(), " is being written to the Datastore: not stored in memcache"));
  }
  const bool stored = one[0].done && one[0].seen.is(State::kCached);
  return stored ? absl::OkStatus() : not_done(*cluster_, "store", place);
}

absl::Status MemcacheGateway::delete_cached(const Key& key) {
  if (fenced()) return ring_error();
  std::vector<Entry> one = records_.entries({&key, 1});
  records_.converge(one, kTries, [&](Entry& entry, int) { return delete_cached_step(entry.seen); });
  if (one[0].done) return absl::OkStatus();
  return not_done(*cluster_, "delete", one[0].place);
}

}  // namespace ndb::memcache
