// Measures two implementations alternately in one run, so that noise of the machine affects both.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace ndb::benchmarks {

inline constexpr double kNoGoal = std::numeric_limits<double>::infinity();

struct Row {
  std::string path;     // what is measured
  std::string against;  // its counterpart
  double goal;          // the ratio to reach (docs/performance.md), or kNoGoal
  int calls;            // per round
  std::function<void()> ours;
  std::function<void()> raw;
  double limit = 0;  // instead of a ratio: the seconds that a call of ours may take
};

// Runs each row for `rounds` rounds of `calls` calls, alternating between ours and the counterpart, and prints the
// medians of a call and their ratio. The ratio is the median of the rounds' ratios. True if every goal is met.
bool run_side_by_side(const std::vector<Row>& rows, int rounds);

}  // namespace ndb::benchmarks
