// The parameters of the faults in a plan.
#pragma once

#include <random>

#include "consistency/fault_proxy.h"
#include "consistency/plan.h"
#include "support/memcached_server.h"

namespace ndb::consistency {

// How often and how strongly a proxy injects the fault, so that each step has some faults and most calls still succeed.
// `datastore`: the proxy is in front of the Datastore, not of a memcached.
Regime regime_of(Fault fault, bool datastore, bool pauses);

// Stores items of the sizes that records have, until the oldest ones are evicted.
void fill(const testing::MemcachedServer& server, std::mt19937_64& random);

}  // namespace ndb::consistency
