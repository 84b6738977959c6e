#include "base/worker.h"

#include <utility>

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
      const auto due = std::chrono::steady_clock::now() + pause.value_or(std::chrono::milliseconds(0));
      while (!stopping_ && !awake_) {
        if (!pause) {
          changed_.wait(mutex_);
        } else if (changed_.wait_until(mutex_, due) == std::cv_status::timeout) {
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
