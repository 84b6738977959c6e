// A thread of its own for work that nobody waits for.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "base/mutex.h"

namespace ndb {

// Calls a function on its thread, never twice at once: soon after wake(), and again after as long as the function said.
// The thread starts with the first wake(); the destructor ends it after the call under way. Thread-safe.
class Worker {
 public:
  // Gives how long to wait before the next call; nullopt: until the next wake(). Must not throw.
  using Work = std::function<std::optional<std::chrono::milliseconds>()>;

  explicit Worker(Work work) : work_(std::move(work)) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void wake();
  void stop();  // for owners whose work uses members that go before this one; wake() does nothing afterwards

 private:
  void run();

  const Work work_;
  Mutex mutex_;
  Condition changed_;
  std::thread thread_ NDB_GUARDED_BY(mutex_);
  bool awake_ NDB_GUARDED_BY(mutex_) = false;
  bool stopping_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb
