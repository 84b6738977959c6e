// std::mutex with the annotations that clang's -Wthread-safety checks. Not absl::Mutex: Debian's build of it is not
// instrumented, so that ThreadSanitizer reports correct code.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/base/thread_annotations.h"

#define NDB_GUARDED_BY(mutex) ABSL_GUARDED_BY(mutex)
#define NDB_REQUIRES(mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex)

namespace ndb {

class ABSL_LOCKABLE Mutex {
 public:
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  bool try_lock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// For critical sections of a few instructions with hardly any contention, where it costs half as much as a Mutex. A
// thread that waits yields.
class ABSL_LOCKABLE SpinLock {
 public:
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    while (taken_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() ABSL_UNLOCK_FUNCTION() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

// Holds a Mutex or SpinLock until the end of the block.
template <class Lock>
class ABSL_SCOPED_LOCKABLE Hold {
 public:
  explicit Hold(Lock& lock) ABSL_EXCLUSIVE_LOCK_FUNCTION(lock) : lock_(lock) { lock_.lock(); }
  ~Hold() ABSL_UNLOCK_FUNCTION() { lock_.unlock(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Lock& lock_;
};
using MutexLock = Hold<Mutex>;
using SpinLockHold = Hold<SpinLock>;

// Waits release and take the Mutex again: condition.wait(mutex).
using Condition = std::condition_variable_any;

}  // namespace ndb
