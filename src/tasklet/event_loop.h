// The event loop of a thread. It knows no entities.
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

#include "base/clock.h"
#include "base/mutex.h"

namespace ndb {

class Context;  // no more than a name here

namespace detail {
class Fibers;
class FutureCore;
}  // namespace detail

// Where other threads (gRPC's) hand completions to a loop. Outlives the loop if they hold it: what is posted to a loop
// that has ended is destroyed unrun. Thread-safe.
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
// dropped when it has ended. `context` is a hold on the current context, for the room of that name. `request` tells a
// worker pool, and whoever looks at the loop's pulse, what the tasklet works for; it is compared and never followed.
struct TaskletLocals {
  std::shared_ptr<Context> context;
  const void* request = nullptr;
};
TaskletLocals& tasklet_locals();

// What other threads may see of a loop, so that they can tell when a step keeps it from all others. The loop's thread
// writes, any thread reads; the values need not be of one moment.
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

// What another room keeps with a loop, for as long as that lives.
class LoopAttachment {
 public:
  virtual ~LoopAttachment() = default;
  // The thread ends: a last chance to run the loop. `can_wait` is false where exit() was called in a tasklet, which
  // holds the loop up for ever. Must not throw.
  virtual void before_end(bool can_wait) noexcept = 0;
};

// One per thread, made when first used. Everything but the inbox and the pulse belongs to that thread. It works in
// rounds: ready fibers and callbacks until there are none (at most kLongestRound), then one idle callback (an open
// batch is sent when nothing is ready), then due timers and the inbox, on which it blocks if there is nothing else to
// do and something outside is under way. Timers that are due and callbacks of the inbox join the ready ones. So a
// tasklet whose reads are all answered at once, by memcache, keeps nobody from the loop.
//
// Callbacks run on the main stack, with the TaskletLocals of whoever drives the loop there. They may wait, which runs
// the loop again inside the step. One that throws throws out of run_once() into that waiter.
//
// The loop ends with its thread. The attachment may run it once more; callbacks that are left are then destroyed unrun,
// tasklets that have not started are cancelled, and those that wait get StuckError, so that they unwind. A thread_local
// object whose destructor uses the loop calls current() in its constructor, and so is destroyed first.
//
// In a child of fork() the loop of the thread that forked goes on; what was under way outside it never ends there.
class EventLoop {
 public:
  static constexpr std::size_t kLongestRound = 4096;
  using Callback = std::function<void()>;
  static EventLoop& current();

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void call_soon(Callback callback);       // when the present step is over, in order
  void call_when_idle(Callback callback);  // once, when nothing is ready: this is how a batch gets sent
  void call_at(Monotonic when, Callback callback);

  // An operation outside the loop that will end with a post to the inbox: from started() until finished(), which the
  // posted callback calls, waiting for it is not stuck.
  void started() { ++outside_; }
  void finished() {
    if (outside_ > 0) --outside_;  // 0: started before fork()
  }
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }
  std::shared_ptr<const LoopPulse> pulse() const { return pulse_; }

  // One step; blocks when only something outside or a timer can make progress. False: nothing is left that could ever
  // happen. Called on the main stack only; may be called again from within a step (a policy or hook that waits).
  // At `latest` it stops blocking.
  bool run_once(Monotonic latest = Monotonic::max());
  void run_until(const std::function<bool()>& done);  // throws StuckError when run_once() says false
  void drain();                                       // until nothing is left

  LoopAttachment* attachment() const { return attachment_.get(); }
  void attach(std::unique_ptr<LoopAttachment> attachment) { attachment_ = std::move(attachment); }

  // What to add to the message of a wait that can never end.
  const char* stuck_hint() const;

  const Clock& clock() const { return *clock_; }
  Monotonic now() const { return clock_->monotonic(); }

  // For tests: time by `clock`. Where the loop would sleep until a timer is due, and nothing outside is under way, it
  // calls `sleep_until`, which moves the clock there.
  void use_clock(const Clock& clock, std::function<void(Monotonic)> sleep_until);

  detail::Fibers& fibers() { return *fibers_; }

 private:
  friend class detail::FutureCore;
  friend class detail::Fibers;
  friend TaskletLocals& tasklet_locals();
  static void forget_outside_of_parent();  // in a child of fork()
  void end();
  void wait_for(const detail::FutureCore& future, bool joining);
  bool run_first(std::deque<Callback>& queue);
  void collect_due_timers();
  void collect_inbox();
  void block(Monotonic latest);

  std::deque<Callback> ready_;
  std::deque<Callback> idle_;
  std::multimap<Monotonic, Callback> timers_;
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
