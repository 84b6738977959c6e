// The tiers behind the contexts of a client: the Datastore, memcache, and what goes with them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "context/consistency_probe.h"
#include "datastore/stub.h"
#include "memcache/gateway.h"
#include "ndb/detail/payload.h"
#include "shared_cache/store.h"

namespace ndb::context {

// An entity that one thread has decoded, for all threads of the process. It is current as long as its record in
// memcache is a VALUE with the same version, because a version identifies the contents.
struct SharedEntity {
  detail::PayloadPtr payload;
  std::uint64_t version = 0;
};
using SharedEntities = shared_cache::SharedStore<SharedEntity>;  // by the bytes of the key

// Immutable after construction, and thread-safe.
struct Tiers {
  std::unique_ptr<datastore::Stub> stub;
  std::unique_ptr<memcache::Gateway> gateway;  // null: no memcache tier
  const Clock* clock = &Clock::system();
  std::unique_ptr<SharedEntities> shared;   // null: no memcache tier, which would have to confirm them
  std::unique_ptr<ConsistencyProbe> probe;  // null: off. After stub and gateway, which it uses
};

}  // namespace ndb::context
