// A writer's release of one record that memcache has not accepted yet.
#pragma once

#include "base/clock.h"
#include "memcache/operations/records.h"
#include "memcache/protocol/sequences.h"

namespace ndb::memcache {

struct PendingRelease {
  Place place;
  Seen seen{};
  Release release{};
  CommitOutcome outcome = CommitOutcome::kUnknown;
  WallTime start{};
  Monotonic useless_after{};  // after this its LOCK has expired
  bool insist = false;        // see Entry
  bool done = false;
};

}  // namespace ndb::memcache
