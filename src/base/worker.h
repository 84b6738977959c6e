// A thread for background work.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "base/mutex.h"

namespace ndb {

// Calls a function on its own thread, never concurrently: soon after wake(), and again after the time that the function
// returned. The first wake() starts the thread; the destructor ends it after the current call. Thread-safe.
class Worker {
 public:
  // Returns how long to wait before the next call; nullopt: until the next wake(). Must not throw.
  using Work = std::function<std::optional<std::chrono::milliseconds>()>;

  explicit Worker(Work work) : work_(std::move(work)) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void wake();
  void stop();  // for owners whose work uses members that are destroyed before this one; later wake() calls do nothing

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
