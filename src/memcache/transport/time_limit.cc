#include "memcache/time_limit.h"

#include <algorithm>
#include <utility>

namespace ndb::memcache {

Monotonic& TimeLimit::until() {
  static thread_local Monotonic until = Monotonic::max();
  return until;
}

TimeLimit::TimeLimit(std::chrono::nanoseconds left) : before_(until()) {
  constexpr std::chrono::hours kNone{1};  // longer than any exchange takes
  until() =
      left >= kNone ? Monotonic::max() : Clock::system().monotonic() + std::max(left, std::chrono::nanoseconds(0));
}

}  // namespace ndb::memcache
