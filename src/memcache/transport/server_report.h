// What memcached servers report about themselves, and which of their settings weaken the protocol.
#pragma once

#include "memcache/admin.h"
#include "memcache/transport/cluster.h"

namespace ndb::memcache {

// The server's own report, with warnings about settings that weaken or slow the protocol: CAS off, no temporary_ttl,
// another item size. `ring` is not set.
ServerStats report_of(const Address& address, const Config& config);

// Logs the warnings about all servers.
void log_warnings(const Cluster& cluster);

}  // namespace ndb::memcache
