// Keeps calls out while something happens that none of them may see half of.
#pragma once

#include <cstddef>

#include "base/mutex.h"

namespace ndb::local {

// Thread-safe.
class Gate {
 public:
  // A call on its way. Waits while the gate is closed; a thread holds one at a time.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate) {
      const MutexLock lock(gate_.mutex_);
      while (gate_.closed_) gate_.changed_.wait(gate_.mutex_);
      ++gate_.inside_;
    }
    ~Pass() {
      const MutexLock lock(gate_.mutex_);
      if (--gate_.inside_ == 0 && gate_.closed_) gate_.changed_.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    Gate& gate_;
  };

  // The gate, closed as long as this lives. One at a time: others wait.
  class Closure {
   public:
    explicit Closure(Gate& gate) : gate_(gate) {
      const MutexLock lock(gate_.mutex_);
      while (gate_.closed_) gate_.changed_.wait(gate_.mutex_);
      gate_.closed_ = true;
    }
    ~Closure() {
      const MutexLock lock(gate_.mutex_);
      gate_.closed_ = false;
      gate_.changed_.notify_all();
    }
    Closure(const Closure&) = delete;
    Closure& operator=(const Closure&) = delete;

    // Waits until nobody is inside any more.
    void drain() {
      const MutexLock lock(gate_.mutex_);
      while (gate_.inside_ > 0) gate_.changed_.wait(gate_.mutex_);
    }

   private:
    Gate& gate_;
  };

 private:
  Mutex mutex_;
  Condition changed_;
  std::size_t inside_ NDB_GUARDED_BY(mutex_) = 0;
  bool closed_ NDB_GUARDED_BY(mutex_) = false;
};

}  // namespace ndb::local
