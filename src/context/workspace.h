// The objects that the batches of one context share.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "context/context_cache.h"
#include "context/in_flight.h"
#include "context/own_writes.h"
#include "context/tiers.h"
#include "ndb/context.h"
#include "ndb/key.h"

namespace ndb::context {

// Held by the context and by its batches, some of which outlive it. Belongs to the thread of the context.
struct Workspace {
  Workspace(std::shared_ptr<const Tiers> behind, std::shared_ptr<const Partition> where)
      : tiers(std::move(behind)), partition(std::move(where)) {}

  datastore::Stub& stub() const { return *tiers->stub; }
  memcache::Gateway* gateway() const { return tiers->gateway.get(); }
  const std::string& database() const { return *partition->database; }  // of every RPC

  const std::shared_ptr<const Tiers> tiers;
  std::shared_ptr<const Partition> partition;  // all three fields are set; not changed once anything is under way
  ContextCache cache;
  OwnWrites own_writes;
  const std::shared_ptr<InFlight> in_flight = std::make_shared<InFlight>();
  std::shared_ptr<TierCounts> counts = std::make_shared<TierCounts>();  // a transaction counts into its parent's
};

}  // namespace ndb::context
