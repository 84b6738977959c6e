// What the faults of a plan are made of.
#pragma once

#include <random>

#include "consistency/fault_proxy.h"
#include "consistency/plan.h"
#include "support/memcached_server.h"

namespace ndb::consistency {

// How often and how hard a proxy does it, so that each step has some faults and most calls still get through.
// `datastore`: the proxy is before the Datastore, not before a memcached.
Regime regime_of(Fault fault, bool datastore, bool pauses);

// Items of the sizes that records have, until the oldest ones are thrown out.
void fill(const testing::MemcachedServer& server, std::mt19937_64& random);

}  // namespace ndb::consistency
