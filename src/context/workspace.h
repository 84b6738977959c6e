// The objects that the batches of one context share.
#pragma once

#include <memory>
#include <utility>

#include "context/context_cache.h"
#include "context/in_flight.h"
#include "context/own_writes.h"
#include "context/tiers.h"
#include "ndb/context.h"

namespace ndb::context {

// Held by the context and by its batches, some of which outlive it. Belongs to the thread of the context.
struct Workspace {
  explicit Workspace(std::shared_ptr<const Tiers> behind) : tiers(std::move(behind)) {}

  datastore::Stub& stub() const { return *tiers->stub; }
  memcache::Gateway* gateway() const { return tiers->gateway.get(); }

  const std::shared_ptr<const Tiers> tiers;
  ContextCache cache;
  OwnWrites own_writes;
  const std::shared_ptr<InFlight> in_flight = std::make_shared<InFlight>();
  std::shared_ptr<TierCounts> counts = std::make_shared<TierCounts>();  // a transaction counts into its parent's
};

}  // namespace ndb::context
