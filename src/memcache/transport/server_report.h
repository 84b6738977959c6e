// What memcached servers say about themselves, and what it means for how well the protocol will do.
#pragma once

#include "memcache/admin.h"
#include "memcache/transport/cluster.h"

namespace ndb::memcache {

// What the server says of itself; warnings of what would make the protocol weaker or slower: CAS off, no
// temporary_ttl, another item size. Without the ring.
ServerStats report_of(const Address& address, const Config& config);

// Logs the warnings about all servers.
void log_warnings(const Cluster& cluster);

}  // namespace ndb::memcache
