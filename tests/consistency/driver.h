// Runs phases: starts servers, proxies and workers, injects the plan's faults, and checks the history.
#pragma once

#include <chrono>
#include <cstdint>

namespace ndb::consistency {

struct RunOptions {
  std::chrono::milliseconds time{std::chrono::minutes(2)};
  std::uint64_t seed = 0;
};

// Prints its progress to stdout. True if neither the checker nor the workers reported anything; stops at the first
// phase in which they did.
bool run(const RunOptions& options);

}  // namespace ndb::consistency
