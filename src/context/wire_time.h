// Conversion between points in time and the timestamps of messages.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

inline WallTime to_wall_time(const wire::Timestamp& t) {
  return WallTime(std::chrono::seconds(t.seconds()) + std::chrono::microseconds(t.nanos() / 1000));
}

inline wire::Timestamp to_wire_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  wire::Timestamp out;
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<std::int32_t>(std::chrono::nanoseconds(time - seconds).count()));
  return out;
}

}  // namespace ndb::context
