// Keeps calls out during a change that no call may see half done.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "local_datastore/call_context.h"

namespace ndb::local {

// Thread-safe.
class Gate {
 public:
  // Held by a call while it is inside. The constructor waits while the gate is closed; the status is not OK if the call
  // ended before it got in. A thread holds one at a time.
  class Pass {
   public:
    Pass(Gate& gate, const CallContext& call) : gate_(gate), status_(call.check()) {
      const MutexLock lock(gate_.mutex_);
      const auto open = [this]() NDB_REQUIRES(gate_.mutex_) { return !gate_.closed_; };
      if (status_.ok() && !call.wait(gate_.changed_, gate_.mutex_, std::nullopt, open)) status_ = call.check();
      if (status_.ok()) ++gate_.inside_;
    }
    ~Pass() {
      if (!status_.ok()) return;
      const MutexLock lock(gate_.mutex_);
      if (--gate_.inside_ == 0 && gate_.closed_) gate_.changed_.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    const absl::Status& status() const { return status_; }

   private:
    Gate& gate_;
    absl::Status status_;
  };

  // Keeps the gate closed during its lifetime. Only one exists at a time; the constructor waits for the one before.
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

    // Waits until no call is inside any more.
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
