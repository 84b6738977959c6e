// Fibers: stacks that run one tasklet after another and can be suspended and resumed. They belong to the thread that
// made them and never migrate.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ndb/future.h"
#include "ndb/tasklet.h"
#include "tasklet/event_loop.h"
#include "tasklet/overflow.h"
#include "tasklet/stack.h"

namespace ndb::detail {

// The C++ runtime's per-thread state of exceptions that are being thrown or handled. It belongs to a stack, so every
// switch swaps it; otherwise two fibers that wait in `catch` and then `throw;` would rethrow each other's exception.
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  void swap_with_thread();
};

// A stack and the state for switching to and from it.
class Fiber {
 public:
  Fiber();   // throws std::bad_alloc
  ~Fiber();  // must not be busy
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  static Fiber* current();  // null on a thread's main stack
  const Stack& stack() const { return stack_; }

  // Called on the main stack.
  void assign(std::shared_ptr<Job> job, TaskletLocals locals);
  void resume();  // runs the job until it waits or ends
  bool busy() const { return busy_; }

  // Called in this fiber. Parks it until wake() (returns true) or interrupt() (false). `future` is what it waits for,
  // or null if it waits for several; `joining` says that interrupt() must not be called.
  bool park(const FutureCore* future, bool joining, std::uint64_t ticket);

  // Called from anywhere on this thread. No effect on a fiber that is not parked.
  void wake();
  void interrupt();

  bool parked() const { return parked_; }
  const FutureCore* waits_for() const { return waits_for_; }
  bool joining() const { return joining_; }
  std::uint64_t ticket() const { return ticket_; }  // grows from one park() to the next

 private:
  friend class Fibers;
  boost::context::fiber run(boost::context::fiber&& main);

  // A fiber is destroyed while it waits for a job. Its stack then holds nothing to unwind, so the destructor of
  // boost::context::fiber, which would unwind it by an exception, is never run.
  union Suspended {
    Suspended() : context() {}
    ~Suspended() {}
    boost::context::fiber context;
  };

  Stack stack_;
  StackSwitch switch_;
  Suspended self_;              // where to continue; set while it does not run
  boost::context::fiber main_;  // where resume() was called; set while it runs
  std::shared_ptr<Job> job_;
  TaskletLocals locals_;       // its own while it does not run, the main stack's while it does
  ExceptionState exceptions_;  // likewise
  const FutureCore* waits_for_ = nullptr;
  std::uint64_t ticket_ = 0;
  bool busy_ = false;
  bool parked_ = false;
  bool joining_ = false;
  bool interrupted_ = false;
  std::size_t index_ = 0;  // in Fibers::all_
};

// The fibers of a loop: jobs that have not started, and the pool of stacks.
class Fibers {
 public:
  explicit Fibers(EventLoop& loop) : loop_(loop) {}
  ~Fibers();
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;

  void spawn(std::shared_ptr<Job> job);  // starts at the next turn of the loop, with the spawner's locals
  void make_ready(Fiber& fiber);

  // Parks the running fiber, as Fiber::park() does. Once the loop is ending, parks only if `joining`.
  bool park(const FutureCore* future, bool joining);

  // Called when nothing can happen any more and the main stack waits for `future`. Follows the chain of waits from
  // there (the tasklet that is to finish it, what that one waits for, ...) and wakes the last fiber in it with
  // StuckError; if there is none, and `any` is set, the fiber that has waited longest. Skips fibers that join. False:
  // there is nobody to wake.
  bool break_stuck(const FutureCore& future, bool any);

  // The loop is ending: from now on waits fail. release_one() cancels a job that has not started, or resumes a waiting
  // fiber so that it unwinds. False: nothing is left to do.
  void begin_end() { ending_ = true; }
  bool release_one();

  std::size_t stacks() const { return all_.size(); }  // in use or pooled
  // Frees pooled stacks, and keeps as many as were in use at a time since the last call.
  void trim();

 private:
  struct Pending {
    std::shared_ptr<Job> job;
    TaskletLocals locals;
  };

  void start_next();
  void enter(Fiber& fiber);
  Fiber& take();
  void give_back(Fiber& fiber);
  void destroy(Fiber& fiber);

  EventLoop& loop_;
  std::optional<OverflowWatch> watch_;  // from the first fiber on
  std::deque<Pending> pending_;
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> free_;
  std::size_t most_used_ = 0;  // stacks, since the last trim()
  std::uint64_t parks_ = 0;
  bool ending_ = false;
};

}  // namespace ndb::detail
