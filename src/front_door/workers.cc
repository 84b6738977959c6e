#include "front_door/workers.h"

#include <system_error>
#include <utility>

namespace ndb::local {

void Workers::post(std::function<void()> task) {
  const MutexLock hold(mutex_);
  tasks_.push_back(std::move(task));
  changed_.notify_one();
  if (tasks_.size() <= idle_) return;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;  // otherwise the task runs when another thread is free
  }
}

void Workers::join() {
  std::vector<std::thread> threads;
  {
    const MutexLock hold(mutex_);
    joining_ = true;
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

void Workers::work() {
  for (;;) {
    std::function<void()> task;
    {
      const MutexLock hold(mutex_);
      ++idle_;
      while (tasks_.empty() && !joining_) changed_.wait(mutex_);
      --idle_;
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace ndb::local
