// The scopes of a client that are open, for its shutdown.
#pragma once

#include <chrono>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"

namespace ndb::context {

// Thread-safe.
class OpenContexts {
 public:
  void opened(const void* context);  // on this thread
  void ended(const void* context);

  // Waits until those of all other threads have ended, but no longer than `time`. Returns the threads that are left.
  std::vector<std::thread::id> wait(std::chrono::nanoseconds time);

 private:
  std::vector<std::thread::id> threads() const NDB_REQUIRES(mutex_);  // all but this one, each once

  Mutex mutex_;
  Condition one_less_;
  absl::flat_hash_map<const void*, std::thread::id> open_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::context
