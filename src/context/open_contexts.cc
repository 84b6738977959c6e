#include "context/open_contexts.h"

#include <algorithm>

#include "base/clock.h"

namespace ndb::context {

void OpenContexts::opened(const void* context) {
  const MutexLock lock(mutex_);
  open_.emplace(context, std::this_thread::get_id());
}

void OpenContexts::ended(const void* context) {
  const MutexLock lock(mutex_);
  open_.erase(context);
  one_less_.notify_all();
}

std::vector<std::thread::id> OpenContexts::threads() const {
  std::vector<std::thread::id> threads;
  for (const auto& [context, thread] : open_) {
    if (thread != std::this_thread::get_id()) threads.push_back(thread);
  }
  std::ranges::sort(threads);
  const auto repeated = std::ranges::unique(threads);
  threads.erase(repeated.begin(), repeated.end());
  return threads;
}

std::vector<std::thread::id> OpenContexts::wait(std::chrono::nanoseconds time) {
  const Monotonic end = Clock::system().monotonic() + time;
  const MutexLock lock(mutex_);
  for (;;) {
    std::vector<std::thread::id> left = threads();
    const auto rest = end - Clock::system().monotonic();
    if (left.empty() || rest <= std::chrono::nanoseconds(0)) return left;
    one_less_.wait_for(mutex_, rest);
  }
}

}  // namespace ndb::context
