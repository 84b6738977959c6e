#include "base/worker.h"

#include <utility>

#include "base/clock.h"

namespace ndb {

void Worker::wake() {
  const MutexLock hold(mutex_);
  if (stopping_) return;
  awake_ = true;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void Worker::stop() {
  std::thread thread;
  {
    const MutexLock hold(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
    changed_.notify_all();
  }
  if (thread.joinable()) thread.join();
}

void Worker::run() {
  std::optional<std::chrono::milliseconds> pause;
  while (true) {
    {
      const MutexLock hold(mutex_);
      const Clock& clock = Clock::system();
      const Monotonic due = clock.monotonic() + pause.value_or(std::chrono::milliseconds(0));
      while (!stopping_ && !awake_) {
        if (!pause) {
          changed_.wait(mutex_);
        } else if (const auto left = due - clock.monotonic(); left.count() > 0) {
          changed_.wait_for(mutex_, left);
        } else {
          break;
        }
      }
      if (stopping_) return;
      awake_ = false;
    }
    pause = work_();
  }
}

}  // namespace ndb
