// Conversion between points in time and the timestamps of messages.
#pragma once

#include <chrono>

#include "base/clock.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

inline WallTime to_wall_time(const wire::Timestamp& t) {
  return WallTime(std::chrono::seconds(t.seconds()) + std::chrono::microseconds(t.nanos() / 1000));
}

}  // namespace ndb::context
