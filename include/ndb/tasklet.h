// Tasklets: functions that run concurrently on one thread, each in a fiber of its own. While one waits for a future the
// others go on, so that their calls are batched. There is no parallelism and no preemption: between two waits a tasklet
// has its thread to itself. Tasklets never move to another thread.
//
// A stack has 256 KiB (NDB_TASKLET_STACK_KIB when the library is built). Overrunning it hits a guard area: a line on
// stderr says so, and the process ends by SIGSEGV.
//
// A wait that nothing can ever end throws StuckError. When the main stack waits for a stuck tasklet, the error goes to
// the end of the chain: to the tasklet that waits for something other than a tasklet. It unwinds, and those that wait
// for it get its error like any other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/future.h"

namespace ndb {

namespace detail {

// A function that is to run in a fiber, as the loop sees it. The loop owns it until it has ended.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;
  virtual void run() noexcept = 0;                      // in a fiber; finishes the future
  virtual void abandon(absl::Status why) noexcept = 0;  // instead of run(): destroys the function and fails the future

 protected:
  friend class Fiber;
  const Fiber* fiber_ = nullptr;  // the fiber that runs it
};

void spawn(std::shared_ptr<Job> job);
absl::Status cancelled_tasklet();
void report_unseen(const absl::Status& error) noexcept;

template <class T>
class TaskletState : public FutureState<T>, public Job {
 public:
  const Fiber* runner() const final { return fiber_; }
};

template <class T, class Function>
class TaskletOf final : public TaskletState<T> {
 public:
  explicit TaskletOf(Function function) : function_(std::move(function)) {}

  // What the function captured is destroyed before the future is done.
  void run() noexcept override {
    if (this->done()) return;  // cancelled
    try {
      if constexpr (std::is_void_v<T>) {
        (*function_)();
        function_.reset();
        this->set(Unit{});
      } else {
        T value = (*function_)();
        function_.reset();
        this->set(std::move(value));
      }
    } catch (...) {
      function_.reset();
      this->fail(std::current_exception());
    }
  }
  void abandon(absl::Status why) noexcept override {
    if (this->done()) return;
    this->fail(std::move(why));
    function_.reset();
  }

 private:
  std::optional<Function> function_;
};

}  // namespace detail

// The result of a tasklet. The destructor waits until the function has ended, so the function may capture by reference
// any variable that is declared before the Tasklet. The destructor never throws; an error that nobody asked for is
// logged.
template <class T>
class [[nodiscard]] Tasklet {
 public:
  // Shared with the loop that runs the function: the framework's.
  using State = detail::TaskletState<T>;
  explicit Tasklet(std::shared_ptr<State> state) : state_(std::move(state)) {}

  // Moving transfers the tasklet; the one that is assigned to is waited for first, as by the destructor.
  Tasklet(Tasklet&& other) noexcept = default;
  Tasklet& operator=(Tasklet&& other) noexcept {
    Tasklet former(std::move(*this));
    state_ = std::move(other.state_);
    seen_ = other.seen_;
    return *this;
  }
  ~Tasklet() {
    if (state_ == nullptr) return;
    state_->join();
    if (!seen_) detail::report_unseen(state_->status());
  }

  // Whether the function has ended. Does not wait.
  bool done() const { return state_->done(); }
  // Waits until done(); StuckError if nothing can end the wait. The function's own exception is not thrown here.
  void wait() const { state_->wait(); }

  // Waits, then gives the result or throws the error. May be called again, but not after the form that moves the result
  // out.
  std::conditional_t<std::is_void_v<T>, void, const detail::NotVoid<T>&> get() const& {
    if constexpr (std::is_void_v<T>) {
      result();
    } else {
      return result();
    }
  }
  T get() && {
    if constexpr (std::is_void_v<T>) {
      result();
    } else {
      return std::move(result());
    }
  }

  // Waits, then gives the result or the error without throwing; an exception that is not ndb::Error becomes UNKNOWN.
  auto try_get() const {
    seen_ = true;
    return Future<T>(state_).try_get();
  }

  // Cancels a function that has not started: get() then throws Cancelled. False: it has started.
  bool cancel() {
    if (state_->done() || state_->runner() != nullptr) return false;
    state_->abandon(detail::cancelled_tasklet());
    return true;
  }

  // For wait_any() and the framework.
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  detail::NotVoid<T>& result() const {
    seen_ = true;
    wait();
    return state_->value();
  }

  std::shared_ptr<State> state_;
  mutable bool seen_ = false;  // somebody asked for the result
};

// Runs `function` in a tasklet. It starts when the caller next waits, or in the destructor of the returned Tasklet,
// with the caller's current context.
template <class Function>
auto tasklet(Function function) {
  using Result = std::decay_t<std::invoke_result_t<Function&>>;
  auto state = std::make_shared<detail::TaskletOf<Result, Function>>(std::move(function));
  detail::spawn(state);
  return Tasklet<Result>(std::move(state));
}

namespace detail {

// As tasklet(), for functions that refer to nothing that may end before them: the returned object waits for nothing.
template <class Function>
auto in_background(Function function) {
  using Result = std::decay_t<std::invoke_result_t<Function&>>;
  auto state = std::make_shared<TaskletOf<Result, Function>>(std::move(function));
  spawn(state);
  return Future<Result>(std::move(state));
}

}  // namespace detail

// Waits for `duration` while other tasklets run. On a thread's main stack it runs the event loop. StuckError when the
// thread ends; DEADLINE_EXCEEDED or Cancelled as soon as the request is over (ContextOptions).
void sleep(std::chrono::nanoseconds duration);

// Calls `function` for each element of `range`, in concurrent tasklets (at most kMapWidth at a time), and gives the
// results in the order of the elements. If calls fail, the others are made nevertheless, and the error of the first
// element that failed is rethrown.
inline constexpr std::size_t kMapWidth = 1000;
template <std::ranges::forward_range Range, class Function>
auto map(Range&& range, Function function) {
  using Result = std::decay_t<std::invoke_result_t<Function&, std::ranges::range_reference_t<Range>>>;
  std::vector<std::optional<detail::NotVoid<Result>>> results(static_cast<std::size_t>(std::ranges::distance(range)));
  auto element = std::ranges::begin(range);
  std::size_t started = 0;
  std::size_t failed = results.size();
  std::exception_ptr error;
  const auto work = [&] {
    while (started < results.size()) {
      const std::size_t index = started++;
      const auto here = element++;
      try {
        if constexpr (std::is_void_v<Result>) {
          function(*here);
        } else {
          results[index].emplace(function(*here));
        }
      } catch (...) {
        if (index < failed) {
          failed = index;
          error = std::current_exception();
        }
      }
    }
  };
  {
    std::vector<Tasklet<void>> workers;
    for (std::size_t i = 0; i < std::min(results.size(), kMapWidth); ++i) workers.push_back(tasklet([&] { work(); }));
    wait_all(workers);
    if (started < results.size()) workers.front().get();  // none could be started
  }
  if (error != nullptr) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<Result>) {
    std::vector<Result> values;
    values.reserve(results.size());
    for (auto& result : results) values.push_back(*std::move(result));
    return values;
  }
}

}  // namespace ndb
