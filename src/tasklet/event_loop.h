// The event loop of a thread. It knows no entities.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace ndb {

// Where other threads (gRPC's) hand completions to a loop. Outlives the loop if they hold it: what is posted to a loop that
// has ended is destroyed unrun. Thread-safe.
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

// One per thread, made when first used. Everything but the inbox belongs to that thread. Order of work: ready fibers and
// callbacks, then one idle callback (an open batch is sent when nothing is ready), then due timers, then the inbox, on which
// it blocks while something outside is under way.
class EventLoop {
 public:
  using Callback = std::function<void()>;
  static EventLoop& current();

  void call_soon(Callback callback);       // when the present step is over, in order
  void call_when_idle(Callback callback);  // once, when nothing is ready: this is how a batch gets sent
  void call_at(Monotonic when, Callback callback);

  // An operation outside the loop that will end with a post to the inbox: from started() until finished(), which the
  // posted callback calls, waiting for it is not stuck.
  void started() { ++outside_; }
  void finished() { --outside_; }
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

  // One step; blocks when only something outside or a timer can make progress. False: nothing is left that could ever
  // happen. Called on the main stack only; may be called again from within a step (a policy or hook that waits).
  bool run_once();
  void run_until(const std::function<bool()>& done);  // throws StuckError when run_once() says false
  void drain();                                       // until nothing is left

 private:
  std::deque<Callback> ready_;
  std::deque<Callback> idle_;
  std::multimap<Monotonic, Callback> timers_;
  std::shared_ptr<Inbox> inbox_;
  std::size_t outside_ = 0;
};

// What belongs to a tasklet rather than to its thread: swapped at every switch, inherited when a tasklet is spawned. The
// context room keeps the current context here.
struct TaskletLocals {
  void* context = nullptr;
};
TaskletLocals& tasklet_locals();

}  // namespace ndb
