// How long writes and transactions wait before a retry.
#pragma once

#include <chrono>

#include "base/backoff.h"

namespace ndb::context {

// The pause before attempt number `attempt` + 1: random, below 0.1 s, 0.2 s, 0.4 s, ... 30 s.
inline std::chrono::milliseconds backoff(int attempt) {
  constexpr Backoff kBackoff{
      .initial = std::chrono::milliseconds(100), .maximum = std::chrono::seconds(30), .multiplier = 2, .least = 0};
  return std::chrono::ceil<std::chrono::milliseconds>(kBackoff.delay(attempt + 1));
}

}  // namespace ndb::context
