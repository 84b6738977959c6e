// What memcached servers report about themselves, and which of their settings weaken the protocol.
#pragma once

#include <vector>

#include "memcache/admin.h"
#include "memcache/transport/cluster.h"

namespace ndb::memcache {

// The servers' own reports, with warnings about settings that weaken or slow the protocol: CAS off, no temporary_ttl,
// another item size. `ring` is not set. Many servers are asked at once, so that several silent ones take little longer
// than one.
std::vector<ServerStats> reports_of(const Cluster& cluster);

// Logs the warnings about all servers.
void log_warnings(const Cluster& cluster);

}  // namespace ndb::memcache
