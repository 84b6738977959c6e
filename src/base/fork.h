// Support for fork(). Threads, and with them gRPC, connections and locks, exist in the parent only.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"

namespace ndb {

// The number of forks between the start of the program and this process. Thread-safe, like all that follows.
std::uint32_t fork_count();

// Whether gRPC was running when this process was forked: its threads do not exist here, so that no call would ever end.
bool forked_while_grpc_ran();

// A ContextError that says that `what` was used before fork(), and what to do instead.
absl::Status used_before_fork(const char* what);

// Keeps an object of the parent from being destroyed in this process, where the destructor could wait for threads that
// do not exist, or close a connection that the parent uses.
void leave_to_parent(std::shared_ptr<void> thing);

// A member of objects that a child of the process that used them cannot use.
class ForkMark {
 public:
  void use() {
    std::uint32_t unused = kUnused;
    if (used_at_.load(std::memory_order_relaxed) == kUnused) used_at_.compare_exchange_strong(unused, fork_count());
  }
  bool left_behind() const {
    const std::uint32_t used_at = used_at_.load(std::memory_order_relaxed);
    return used_at != kUnused && used_at != fork_count();
  }

 private:
  static constexpr std::uint32_t kUnused = ~std::uint32_t{0};
  std::atomic<std::uint32_t> used_at_{kUnused};
};

}  // namespace ndb
