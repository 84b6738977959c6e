// Threads for answers that may have to wait.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace ndb::local {

// Runs every task at once, on an idle thread or a new one: a task may wait for something that a later one releases, as
// a commit waits for the locks of a transaction until that has committed. There are as many threads as tasks ever ran
// at the same time. Thread-safe, except join().
class Workers {
 public:
  Workers() = default;
  ~Workers() { join(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> task);
  // Waits for all tasks to end. No task may be posted afterwards.
  void join();

 private:
  void work();

  Mutex mutex_;
  Condition changed_;
  std::deque<std::function<void()>> tasks_ NDB_GUARDED_BY(mutex_);  // not started yet
  std::size_t idle_ NDB_GUARDED_BY(mutex_) = 0;
  bool joining_ NDB_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::local
