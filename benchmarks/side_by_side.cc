#include "side_by_side.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace ndb::benchmarks {
namespace {

double seconds_per_call(const std::function<void()>& call, int calls) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / calls;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string in_units(double seconds) {
  char text[32];
  if (seconds < 1e-6) {
    std::snprintf(text, sizeof text, "%.1f ns", seconds * 1e9);
  } else if (seconds < 1e-3) {
    std::snprintf(text, sizeof text, "%.2f us", seconds * 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.2f ms", seconds * 1e3);
  }
  return text;
}

std::string goal_of(const Row& row) {
  if (row.limit > 0) return in_units(row.limit);
  if (row.goal == kNoGoal) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.2fx", row.goal);
  return text;
}

}  // namespace

bool run_side_by_side(const std::vector<Row>& rows, int rounds) {
  std::printf("%-38s %-40s %10s %10s %7s %8s\n", "path", "against", "ours", "raw", "ratio", "goal");
  bool all = true;
  for (const Row& row : rows) {
    seconds_per_call(row.ours, row.calls);  // warms caches, connections and pools
    seconds_per_call(row.raw, row.calls);
    std::vector<double> ours, raw, ratios;
    for (int round = 0; round < rounds; ++round) {
      const bool ours_first = round % 2 == 0;
      if (ours_first) ours.push_back(seconds_per_call(row.ours, row.calls));
      raw.push_back(seconds_per_call(row.raw, row.calls));
      if (!ours_first) ours.push_back(seconds_per_call(row.ours, row.calls));
      ratios.push_back(ours.back() / raw.back());
    }
    const double ratio = median(ratios);
    const bool met = row.limit > 0 ? median(ours) <= row.limit : ratio <= row.goal;
    all = all && met;
    std::printf("%-38s %-40s %10s %10s %6.2fx %8s %s\n", row.path.c_str(), row.against.c_str(),
                in_units(median(ours)).c_str(), in_units(median(raw)).c_str(), ratio, goal_of(row).c_str(),
                met ? "" : "missed");
    std::fflush(stdout);
  }
  return all;
}

}  // namespace ndb::benchmarks
