#include "tasklet/event_loop.h"

#include <cxxabi.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/fork.h"
#include "base/strings.h"
#include "tasklet/fiber.h"

// Identifies this library when something is registered with the C++ runtime.
extern "C" void* __dso_handle;  // NOLINT(bugprone-reserved-identifier)

namespace ndb {
namespace {

// The loop of this thread. Trivially destructible, so that it can be used until the very end of the thread.
thread_local EventLoop* loop_of_thread = nullptr;

}  // namespace

TaskletLocals& tasklet_locals() { return EventLoop::current().locals_; }

void Inbox::post(Callback callback) {
  MutexLock lock(mutex_);
  if (closed_) return;  // `callback` is destroyed by the caller, after the lock is released
  callbacks_.push_back(std::move(callback));
  arrived_.notify_one();
}

EventLoop& EventLoop::current() {
  if (loop_of_thread == nullptr) {
    [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, &forget_outside_of_parent);
    loop_of_thread = std::make_unique<EventLoop>().release();
    // Not ended by the destructor of a thread_local object, which runs once: the destructor of another one may run
    // later and ask for a loop again, which must be ended too.
    abi::__cxa_thread_atexit(
        [](void* loop) {
          const std::unique_ptr<EventLoop> owner(static_cast<EventLoop*>(loop));
          owner->end();
          loop_of_thread = nullptr;
        },
        loop_of_thread, static_cast<void*>(&__dso_handle));
  }
  return *loop_of_thread;
}

// No other thread exists in the child. The inbox is left to the parent, whose threads may have held its lock.
void EventLoop::forget_outside_of_parent() {
  EventLoop* const loop = loop_of_thread;
  if (loop == nullptr) return;
  leave_to_parent(std::exchange(loop->inbox_, std::make_shared<Inbox>()));
  loop->outside_ = 0;
  loop->forked_ = true;
}

EventLoop::EventLoop()
    : inbox_(std::make_shared<Inbox>()), clock_(&Clock::system()), fibers_(std::make_unique<detail::Fibers>(*this)) {}

EventLoop::~EventLoop() = default;

void EventLoop::end() {
  if (attachment_ != nullptr) attachment_->before_end(detail::Fiber::current() == nullptr);
  ending_ = true;
  std::vector<Callback> posted;
  {
    MutexLock lock(inbox_->mutex_);
    inbox_->closed_ = true;
    posted.swap(inbox_->callbacks_);
  }
  fibers_->begin_end();
  drain();
  // Cleared here rather than by the destructor: what the callbacks hold may still use this loop when it is destroyed.
  ready_.clear();
  idle_.clear();
  std::exchange(timers_, {}).clear();  // what they hold may cancel others
  locals_ = {};
  attachment_ = nullptr;
}

const char* EventLoop::stuck_hint() const {
  return forked_ ? "; what was under way when this process was forked off ends in its parent only" : "";
}

void EventLoop::call_soon(Callback callback) {
  if (!ending_) ready_.push_back(std::move(callback));
}

void EventLoop::call_when_idle(Callback callback) {
  if (!ending_) idle_.push_back(std::move(callback));
}

std::uint64_t EventLoop::call_at(Monotonic when, Callback callback) {
  if (!ending_) timers_.emplace(std::pair(when, ++timers_made_), std::move(callback));
  return timers_made_;
}

void EventLoop::cancel_timer(Monotonic when, std::uint64_t timer) {
  // What the callback holds may use the loop when it is destroyed.
  [[maybe_unused]] const auto cancelled = timers_.extract({when, timer});
}

bool EventLoop::run_once(Monotonic latest) {
  if (ending_) return fibers_->release_one();
  if (detail::Fiber::current() != nullptr) {
    throw BadRequestError("the event loop can't be driven from within a tasklet: wait for a future instead");
  }
  for (;;) {
    if (round_ < kLongestRound && !ready_.empty()) {
      ++round_;
      return run_first(ready_);
    }
    if (round_ <= kLongestRound && !idle_.empty()) {
      round_ = kLongestRound + 1;
      return run_first(idle_);
    }
    round_ = 0;
    collect_due_timers();
    collect_inbox();
    if (!ready_.empty() || !idle_.empty()) continue;
    if (timers_.empty() && outside_ == 0) return false;
    if (latest != Monotonic::max() && now() >= latest) return true;
    block(latest);
  }
}

bool EventLoop::run_first(std::deque<Callback>& queue) {
  const Callback callback = std::move(queue.front());
  queue.pop_front();
  struct Depth {
    std::size_t& depth;
    ~Depth() { --depth; }
  } const depth{++depth_};
  pulse_->step();
  callback();
  return true;
}

// Due timers and posted callbacks are moved to the ready callbacks instead of being run here: a callback that waits
// runs the loop, which must find the remaining ones.
void EventLoop::collect_due_timers() {
  if (timers_.empty()) return;
  const auto end = timers_.upper_bound({now(), UINT64_MAX});
  for (auto timer = timers_.begin(); timer != end; timer = timers_.erase(timer)) {
    ready_.push_back(std::move(timer->second));
  }
}

void EventLoop::collect_inbox() {
  MutexLock lock(inbox_->mutex_);
  for (Callback& callback : inbox_->callbacks_) ready_.push_back(std::move(callback));
  inbox_->callbacks_.clear();
}

void EventLoop::block(Monotonic latest) {
  if (sleep_until_ && outside_ == 0) {
    sleep_until_(timers_.begin()->first.first);
    return;
  }
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);  // in case the clock was moved
  const bool timed = !timers_.empty() && !sleep_until_;
  const Monotonic until = timed ? std::min(timers_.begin()->first.first, latest) : latest;
  const auto longest = until == Monotonic::max() ? kLongest : std::min(until - now(), kLongest);
  MutexLock lock(inbox_->mutex_);
  if (!inbox_->callbacks_.empty()) return;
  pulse_->wait(true);
  inbox_->arrived_.wait_for(inbox_->mutex_, longest);
  pulse_->wait(false);
}

void EventLoop::run_until(const std::function<bool()>& done) {
  while (!done()) {
    if (!run_once()) {
      throw StuckError(cat("stuck: nothing is under way that could end this wait", stuck_hint()));
    }
  }
}

void EventLoop::drain() {
  while (run_once()) {
  }
}

// Waits on the main stack. Returns without a result if the loop is stuck for good, or `over` says so.
void EventLoop::wait_for(const detail::FutureCore& future, bool joining, absl::FunctionRef<bool()> over) {
  while (!future.done() && !over()) {
    if (run_once()) continue;
    // A wait within a step fails rather than interrupt tasklets that the rest of the step may serve.
    if (ending_ || !fibers_->break_stuck(future, joining || depth_ == 0)) return;
  }
}

void EventLoop::use_clock(const Clock& clock, std::function<void(Monotonic)> sleep_until) {
  clock_ = &clock;
  sleep_until_ = std::move(sleep_until);
}

}  // namespace ndb
