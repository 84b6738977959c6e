// Runs phases: servers, proxies and workers, the plan's faults, and the checker's judgement.
#pragma once

#include <chrono>
#include <cstdint>

namespace ndb::consistency {

struct RunOptions {
  std::chrono::milliseconds time{std::chrono::minutes(2)};
  std::uint64_t seed = 0;
};

// Prints what happens to stdout. True if the checker and the workers had nothing to complain of; ends at the first
// phase in which they had.
bool run(const RunOptions& options);

}  // namespace ndb::consistency
