// The event loop of a thread. It does not depend on entities.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ndb {

// Declared only.
class Bounds;
class Context;
namespace context {
class Scopes;
}

namespace detail {
class Fibers;
class FutureCore;
}  // namespace detail

// The queue through which other threads (gRPC's) pass completions to a loop. It outlives the loop while they hold it: a
// callback that is posted after the loop has ended is destroyed without being run. Thread-safe.
class Inbox {
 public:
  using Callback = std::function<void()>;
  void post(Callback callback);  // runs on the loop's thread, inside run_once()

 private:
  friend class EventLoop;
  Mutex mutex_;
  Condition arrived_;
  std::vector<Callback> callbacks_ NDB_GUARDED_BY(mutex_);
  bool closed_ NDB_GUARDED_BY(mutex_) = false;
};

// What belongs to a tasklet rather than to its thread: swapped at every switch, inherited when a tasklet is spawned,
// dropped when it has ended. `context` is a hold on the current context, `bounds` are those of the request that the
// tasklet works for (null: none). `scopes` are those that were opened in the tasklet, and are not inherited; the room
// `context` defines its type and that of `context`. `request` tells a worker pool, and readers of the loop's pulse,
// which request the tasklet serves; it is compared and never dereferenced.
struct TaskletLocals {
  std::shared_ptr<Context> context;
  std::shared_ptr<Bounds> bounds{};
  const void* request = nullptr;
  std::shared_ptr<context::Scopes> scopes{};

  TaskletLocals inherited() const { return {.context = context, .bounds = bounds, .request = request}; }
};
TaskletLocals& tasklet_locals();

// What other threads may observe of a loop, so that they can detect a step that blocks it. The loop's thread writes,
// any thread reads; the values need not be of one moment.
class LoopPulse {
 public:
  std::uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }    // so far
  bool waiting() const { return waiting_.load(std::memory_order_relaxed); }         // for the inbox or a timer
  const void* request() const { return request_.load(std::memory_order_relaxed); }  // of the tasklet that runs, or null

 private:
  friend class EventLoop;
  friend class detail::Fibers;
  void step() { steps_.store(steps() + 1, std::memory_order_relaxed); }
  void wait(bool waiting) { waiting_.store(waiting, std::memory_order_relaxed); }
  void run(const void* request) { request_.store(request, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> steps_{0};
  std::atomic<bool> waiting_{false};
  std::atomic<const void*> request_{nullptr};
};

// What another room attaches to a loop, for the lifetime of the loop.
class LoopAttachment {
 public:
  virtual ~LoopAttachment() = default;
  // The thread is ending: the last opportunity to run the loop. `can_wait` is false if exit() was called in a tasklet,
  // which then blocks the loop forever. Must not throw.
  virtual void before_end(bool can_wait) noexcept = 0;
};

// One per thread, created on first use. Everything but the inbox and the pulse belongs to that thread. It works in
// rounds: ready fibers and callbacks until there are none (at most kLongestRound), then one idle callback (an open
// batch is sent when nothing is ready), then due timers and the inbox, on which it blocks if there is nothing else to
// do and an operation outside the loop is in flight. Timers that are due and callbacks from the inbox are added to the
// ready ones. So a tasklet whose reads are all answered at once, by memcache, does not starve the loop.
//
// Callbacks run on the main stack, with the TaskletLocals of the code that runs the loop there. They may wait, which
// runs the loop again within the step. If one throws, run_once() throws out of that wait.
//
// The loop ends with its thread. The attachment may run it once more. Then remaining callbacks are destroyed without
// being run, tasklets that have not started are cancelled, and those that wait get StuckError, so that they unwind. A
// thread_local object whose destructor uses the loop must call current() in its constructor, so that it is destroyed
// before the loop.
//
// After fork() the child continues the loop of the thread that forked; operations outside the loop that were in flight
// never end there.
class EventLoop {
 public:
  static constexpr std::size_t kLongestRound = 4096;
  using Callback = std::function<void()>;
  static EventLoop& current();

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void call_soon(Callback callback);       // after the current step, in order
  void call_when_idle(Callback callback);  // once, when nothing is ready: batches are sent this way
  // Returns the number of the timer, for cancel_timer(), which drops the callback unless it is due already.
  std::uint64_t call_at(Monotonic when, Callback callback);
  void cancel_timer(Monotonic when, std::uint64_t timer);

  // Brackets an operation outside the loop that will post to the inbox when it ends; the posted callback calls
  // finished(). Until then a wait is not considered stuck.
  void started() { ++outside_; }
  void finished() {
    if (outside_ > 0) --outside_;  // 0: started before fork()
  }
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }
  std::shared_ptr<const LoopPulse> pulse() const { return pulse_; }

  // One step. Blocks only while an operation outside the loop or a timer can still make progress, and at most until
  // `latest`. False: nothing is left that could ever happen. Called on the main stack only; may be called within a step
  // (by a policy or hook that waits).
  bool run_once(Monotonic latest = Monotonic::max());
  void run_until(const std::function<bool()>& done);  // throws StuckError when run_once() says false
  void drain();                                       // until nothing is left

  LoopAttachment* attachment() const { return attachment_.get(); }
  void attach(std::unique_ptr<LoopAttachment> attachment) { attachment_ = std::move(attachment); }

  // An addition to the message of a wait that can never end.
  const char* stuck_hint() const;

  const Clock& clock() const { return *clock_; }
  Monotonic now() const { return clock_->monotonic(); }

  // For tests: takes the time from `clock`. Where the loop would sleep until a timer is due, with no operation outside
  // in flight, it calls `sleep_until`, which advances the clock.
  void use_clock(const Clock& clock, std::function<void(Monotonic)> sleep_until);

  detail::Fibers& fibers() { return *fibers_; }

 private:
  friend class detail::FutureCore;
  friend class detail::Fibers;
  friend TaskletLocals& tasklet_locals();
  static void forget_outside_of_parent();  // in a child of fork()
  void end();
  void wait_for(const detail::FutureCore& future, bool joining, absl::FunctionRef<bool()> over);
  bool run_first(std::deque<Callback>& queue);
  void collect_due_timers();
  void collect_inbox();
  void block(Monotonic latest);

  std::deque<Callback> ready_;
  std::deque<Callback> idle_;
  std::map<std::pair<Monotonic, std::uint64_t>, Callback> timers_;  // those of one time in their order
  std::uint64_t timers_made_ = 0;
  std::shared_ptr<Inbox> inbox_;
  const std::shared_ptr<LoopPulse> pulse_ = std::make_shared<LoopPulse>();
  std::size_t round_ = 0;  // ready callbacks in this round; more than kLongestRound: its idle callback was run
  std::size_t outside_ = 0;
  std::size_t depth_ = 0;  // steps that are being run: more than one where a step waits
  bool ending_ = false;
  bool forked_ = false;   // since the loop was made
  TaskletLocals locals_;  // of what runs now
  std::unique_ptr<LoopAttachment> attachment_;
  const Clock* clock_;
  std::function<void(Monotonic)> sleep_until_;  // empty: the system's clock, real sleep
  std::unique_ptr<detail::Fibers> fibers_;
};

}  // namespace ndb
