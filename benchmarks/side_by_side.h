// Measures two ways of doing one thing in turns, in one run, so that the machine's noise meets both alike.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace ndb::benchmarks {

inline constexpr double kNoGoal = std::numeric_limits<double>::infinity();

struct Row {
  std::string path;     // what is measured
  std::string against;  // the raw counterpart
  double goal;          // the ratio to reach (docs/performance.md), or kNoGoal
  int calls;            // per round
  std::function<void()> ours;
  std::function<void()> raw;
  double limit = 0;  // instead of a ratio: the seconds that a call of ours may take
};

// Runs each row for `rounds` rounds of `calls` calls, ours and raw in turn, and prints the medians of a call with their
// ratio. The ratio is the median of the rounds' ratios. True if every goal is met.
bool run_side_by_side(const std::vector<Row>& rows, int rounds);

}  // namespace ndb::benchmarks
