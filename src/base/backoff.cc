#include "base/backoff.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ndb {

std::chrono::microseconds Backoff::delay(int failures) const {
  thread_local std::minstd_rand random{std::random_device{}()};
  const double bound = std::min(static_cast<double>(initial.count()) * std::pow(multiplier, std::max(failures, 1) - 1),
                                static_cast<double>(maximum.count()));
  const double delay = std::uniform_real_distribution<double>(least * bound, bound)(random);
  return std::chrono::microseconds(static_cast<std::int64_t>(delay));
}

}  // namespace ndb
