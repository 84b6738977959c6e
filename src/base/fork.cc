#include "base/fork.h"

#include <grpc/grpc.h>
#include <pthread.h>

#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "base/strings.h"

namespace ndb {
namespace {

std::atomic<std::uint32_t> forks{0};
std::atomic<bool> grpc_left_behind{false};
bool grpc_runs = false;  // set by the first handler, used by the second

// Registered when the program starts, so that no fork is missed.
[[maybe_unused]] const int registered = pthread_atfork([] { grpc_runs = grpc_is_initialized() != 0; }, nullptr,
                                                       [] {
                                                         forks.fetch_add(1, std::memory_order_relaxed);
                                                         if (grpc_runs)
                                                           grpc_left_behind.store(true, std::memory_order_relaxed);
                                                       });

struct Left {
  Mutex mutex;
  std::vector<std::shared_ptr<void>> things NDB_GUARDED_BY(mutex);
};

}  // namespace

std::uint32_t fork_count() { return forks.load(std::memory_order_relaxed); }

bool forked_while_grpc_ran() { return grpc_left_behind.load(std::memory_order_relaxed); }

absl::Status used_before_fork(const char* what) {
  return context_error(cat(what,
                           " before fork() and works in the parent process only: fork before the first use, and let "
                           "each child use a client of its own, made after fork() (a pthread_atfork() handler can do "
                           "that), or call exec() in the child"));
}

void leave_to_parent(std::shared_ptr<void> thing) {
  static Left& left = *std::make_unique<Left>().release();  // never destroyed
  const MutexLock lock(left.mutex);
  left.things.push_back(std::move(thing));
}

}  // namespace ndb
