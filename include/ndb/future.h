// Futures: the result of an operation that has been started.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/error.h"

namespace ndb {

namespace detail {

class Fiber;

// Its address names the thread.
inline thread_local char this_thread = 0;

// A fiber's place among those who wait for a future; lives on that fiber's stack.
struct Waiter {
  Fiber* fiber;
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
};

// The part of a future that waits and wakes, without its type. Belongs to the thread that made it: not thread-safe.
// Always owned by a shared_ptr.
class FutureCore : public std::enable_shared_from_this<FutureCore> {
 public:
  FutureCore() = default;
  FutureCore(const FutureCore&) = delete;
  FutureCore& operator=(const FutureCore&) = delete;
  virtual ~FutureCore() = default;
  bool done() const { return done_; }

  // Returns when done() is true: on a thread's main stack it drives the event loop, in a tasklet it parks the fiber.
  // Throws StuckError when nothing under way can ever finish it, BadRequestError on another thread.
  void wait();
  // Throws on another thread than its own, unless it is done.
  void check_thread() const;

  // For destructors, which must not return before done(): like wait(), but it never gives up. When everything is stuck,
  // tasklets that wait are woken with StuckError, one after another, until this is done. If that does not help
  // (tasklets are in one another's destructors, or nobody is there to finish this future) the process is terminated.
  void join() noexcept;

  // Runs `callback` once done, on the loop's stack and in a turn of its own: never inside this call or finish().
  void on_done(std::function<void()> callback);

  // The fiber whose function finishes this future, while it runs.
  virtual const Fiber* runner() const { return nullptr; }

 protected:
  void finish() noexcept;  // the result is there: wakes all who wait. At most once.

 private:
  friend class WaitList;
  bool await(bool joining);
  void link(Waiter& waiter);
  void unlink(Waiter& waiter);

  const char* const thread_ = &this_thread;
  bool done_ = false;
  Waiter* first_ = nullptr;  // in the order of waiting
  Waiter* last_ = nullptr;
  std::vector<std::function<void()>> callbacks_;
};

struct Unit {};
template <class T>
using NotVoid = std::conditional_t<std::is_void_v<T>, Unit, T>;

template <class T>
class FutureState : public FutureCore {
 public:
  using Value = NotVoid<T>;
  void set(Value value) {
    result_.template emplace<1>(std::move(value));
    finish();
  }
  void fail(absl::Status status) {  // get() throws it as the subclass of Error that it stands for
    result_.template emplace<2>(std::move(status));
    finish();
  }
  void fail(std::exception_ptr error) {  // get() rethrows it
    result_.template emplace<3>(std::move(error));
    finish();
  }
  void set(absl::StatusOr<Value> result) {
    if (result.ok()) {
      set(*std::move(result));
    } else {
      fail(std::move(result).status());
    }
  }

  // The result of a future that is done.
  Value& value() {
    seen_ = true;
    if (result_.index() == 2) throw_error(std::get<2>(result_));
    if (result_.index() == 3) std::rethrow_exception(std::get<3>(result_));
    return std::get<1>(result_);
  }
  absl::Status status() const {
    seen_ = true;
    if (result_.index() == 2) return std::get<2>(result_);
    if (result_.index() == 3) return status_of(std::get<3>(result_));
    return absl::OkStatus();
  }

  // Whether anybody has asked for the result, or was told of it in another way.
  bool seen() const { return seen_; }
  void see() const { seen_ = true; }

 private:
  std::variant<std::monostate, Value, absl::Status, std::exception_ptr> result_;
  mutable bool seen_ = false;
};

}  // namespace detail

// The result of an operation that was started when the future was made (futures are eager): it goes on whether or not
// anybody waits, batched with everything else that is pending. Copies share the result. A future belongs to its thread,
// and may be destroyed on another one. If nobody asks for the error of a write, the next flush() or close() of its
// context throws it if no copy was left when the write ended; otherwise it is logged.
template <class T>
class Future {
 public:
  // Shared with whoever finishes it: the framework's.
  using State = detail::FutureState<T>;
  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}

  // Whether the result, or the error, is there. Does not wait.
  bool done() const { return state_->done(); }
  // Waits until done(); other tasklets go on meanwhile, and what is pending is sent. StuckError when nothing under way
  // can ever finish it. An error of the operation is not thrown here.
  void wait() const { state_->wait(); }

  // Waits, then gives the result or throws the error. May be called again.
  std::conditional_t<std::is_void_v<T>, void, const detail::NotVoid<T>&> get() const& {
    wait();
    if constexpr (std::is_void_v<T>) {
      state_->value();
    } else {
      return state_->value();
    }
  }
  // Of a temporary: by value, so that `for (auto& x : f().get())` does not dangle.
  T get() && {
    wait();
    if constexpr (std::is_void_v<T>) {
      state_->value();
    } else {
      return state_->value();
    }
  }

  // Waits, then gives the result or the error without throwing; an exception that is not ndb::Error becomes UNKNOWN.
  std::conditional_t<std::is_void_v<T>, absl::Status, absl::StatusOr<detail::NotVoid<T>>> try_get() const {
    try {
      wait();
    } catch (const StuckError& error) {
      return error.status();
    }
    absl::Status status = state_->status();
    if constexpr (std::is_void_v<T>) {
      return status;
    } else {
      if (!status.ok()) return status;
      return state_->value();
    }
  }

  // What the copies share, for wait_any() and the framework.
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// A future that is done.
template <class T>
Future<T> ready_future(T value) {
  auto state = std::make_shared<detail::FutureState<T>>();
  state->set(std::move(value));
  return Future<T>(std::move(state));
}

// What can be waited for: Future and Tasklet.
template <class F>
concept Awaitable = requires(const F& future) {
  future.wait();
  { *future.state() } -> std::convertible_to<const detail::FutureCore&>;
};

// Waits for all of them; errors stay in the futures.
template <Awaitable... F>
void wait_all(const F&... futures) {
  (futures.wait(), ...);
}
template <std::ranges::input_range Range>
void wait_all(const Range& futures) {
  for (const auto& future : futures) future.wait();
}

// Waits until one of them is done and gives the index of the first that is; `futures` must not be empty
// (BadArgumentError).
std::size_t wait_any(const std::vector<std::shared_ptr<detail::FutureCore>>& futures);
template <Awaitable F>
std::size_t wait_any(const std::vector<F>& futures) {
  std::vector<std::shared_ptr<detail::FutureCore>> cores;
  cores.reserve(futures.size());
  for (const auto& future : futures) cores.push_back(future.state());
  return wait_any(cores);
}

}  // namespace ndb
