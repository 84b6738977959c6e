#include "local_datastore/version.h"

#include <algorithm>

namespace ndb::local {

std::int64_t to_micros(const google::protobuf::Timestamp& timestamp) {
  constexpr std::int64_t kLimit = 9'000'000'000'000;  // keeps timestamps of requests from overflowing
  return std::clamp(timestamp.seconds(), -kLimit, kLimit) * 1'000'000 + timestamp.nanos() / 1000;
}

void set_micros(google::protobuf::Timestamp& out, std::int64_t micros) {
  std::int64_t seconds = micros / 1'000'000;
  std::int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<std::int32_t>(rest * 1000));
}

}  // namespace ndb::local
