// Retries releases that memcache did not accept, in the background.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker.h"

namespace ndb::memcache {

struct PendingRelease;

// While a release waits here, its LOCK, if that could be stored, protects the key. Releases are retried every 0.1 to 2
// s until they are done or their locks have expired. Thread-safe.
class RepairQueue {
 public:
  // Tries the releases and leaves in the vector those that are still to do. Called on the queue's thread, and by the
  // destructor.
  using Attempt = std::function<void(std::vector<PendingRelease>&)>;

  RepairQueue(const Clock& clock, Attempt attempt);
  ~RepairQueue();  // tries the remaining ones once more
  RepairQueue(const RepairQueue&) = delete;
  RepairQueue& operator=(const RepairQueue&) = delete;

  void add(std::vector<PendingRelease> releases);
  std::uint64_t waiting() const;
  std::uint64_t given_up() const;

 private:
  std::optional<std::chrono::milliseconds> work();
  void try_all();

  const Clock& clock_;
  const Attempt attempt_;
  mutable Mutex mutex_;
  std::vector<PendingRelease> waiting_ NDB_GUARDED_BY(mutex_);
  std::size_t in_hand_ NDB_GUARDED_BY(mutex_) = 0;  // removed from the queue, and being tried
  std::uint64_t given_up_ NDB_GUARDED_BY(mutex_) = 0;
  std::chrono::milliseconds pause_{};  // used only by the worker
  Worker worker_;
};

}  // namespace ndb::memcache
