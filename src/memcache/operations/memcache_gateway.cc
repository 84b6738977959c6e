#include "memcache/operations/memcache_gateway.h"

#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "memcache/transport/server_report.h"

namespace ndb::memcache {

absl::Status ring_error() {
  return absl::FailedPreconditionError(
      "memcache: other programs use another list of servers (see the log), and ring_check is enforced: give all of "
      "them the same MEMCACHED_HOSTS");
}

absl::Status not_done(const Cluster& cluster, std::string_view what, const Place& place) {
  return absl::UnavailableError(cat("memcached server ", cluster.address(place.server).to_string(), " did not ", what,
                                    " ", place.key.to_string()));
}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::make(Config config) {
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::make(std::move(config)));
  log_warnings(*cluster);
  return std::make_unique<MemcacheGateway>(std::move(cluster));
}

MemcacheGateway::MemcacheGateway(std::unique_ptr<Cluster> cluster)
    : cluster_(std::move(cluster)),
      connections_(*cluster_),
      records_(*cluster_, connections_),
      ring_(*cluster_),
      repairs_(cluster_->clock(), [this](std::vector<PendingRelease>& releases) {
        const std::size_t before = releases.size();
        release(releases);
        cluster_->counters().repaired += before - releases.size();
      }) {}

MemcacheStats MemcacheGateway::stats() const {
  const Counters& c = cluster_->counters();
  return {.round_trips = c.round_trips,
          .commands = c.commands,
          .hits = c.hits,
          .misses = c.misses,
          .bypassed = c.bypassed,
          .fills = c.fills,
          .locks = c.locks,
          .unlocks = c.unlocks,
          .errors = c.errors,
          .corrupt = c.corrupt,
          .refused_as_stale = c.stale,
          .ring_mismatches = c.ring_mismatches,
          .repairs_waiting = repairs_.waiting(),
          .repaired = c.repaired,
          .repairs_given_up = repairs_.given_up()};
}

}  // namespace ndb::memcache
