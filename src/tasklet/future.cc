#include "ndb/future.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"
#include "tasklet/fiber.h"

namespace ndb {
namespace {

// A wait that has ended without a result.
[[noreturn]] void throw_unfinished() {
  const Bounds* const bounds = tasklet_locals().bounds.get();
  const absl::Status over = bounds != nullptr ? bounds->check(EventLoop::current().now()) : absl::OkStatus();
  if (!over.ok()) {
    throw_error(annotate(over,
                         "this waits for what does not end with its request: a future of another one, or a "
                         "tasklet that is busy"));
  }
  throw StuckError(
      cat("stuck: this waits for something that nothing under way can ever finish (tasklets that wait for one another, "
          "or an operation that was never started)",
          EventLoop::current().stuck_hint()));
}

// Ends a wait when the bounds of its request are over. RPCs, pauses and the tasklets that wait for them then end with
// the bounds, and their errors say more; so this lets them end first.
class BoundedWait {
 public:
  BoundedWait() : fiber_(detail::Fiber::current()), bounds_(tasklet_locals().bounds) {
    if (bounds_ != nullptr) watch_.emplace(bounds_, [this] { end_later(); });
  }
  ~BoundedWait() {
    if (alive_ != nullptr) *alive_ = false;
  }
  BoundedWait(const BoundedWait&) = delete;
  BoundedWait& operator=(const BoundedWait&) = delete;

  bool over() const { return over_; }

 private:
  static constexpr std::chrono::milliseconds kGrace{10};

  void end_later() {
    EventLoop& loop = EventLoop::current();
    if (alive_ == nullptr) alive_ = std::make_shared<bool>(true);
    loop.call_at(loop.now() + kGrace, [this, alive = alive_] {
      if (!*alive) return;
      if (bounds_->awaits_rpcs()) return end_later();
      over_ = true;
      if (fiber_ != nullptr) fiber_->wake();
    });
  }

  detail::Fiber* const fiber_;  // null: the main stack
  const std::shared_ptr<Bounds> bounds_;
  std::optional<Bounds::Watch> watch_;
  std::shared_ptr<bool> alive_;
  bool over_ = false;
};

}  // namespace

namespace detail {

void FutureCore::check_thread() const {
  if (done_ || thread_ == &this_thread) return;
  throw BadRequestError(
      "a future belongs to the thread that made it, and this is another one: wait for it there, and hand the result "
      "over (with std::promise, for example)");
}

void FutureCore::wait() {
  check_thread();
  if (!await(/*joining=*/false)) throw_unfinished();
}

void FutureCore::join() noexcept {
  if (await(/*joining=*/true)) return;
  log(Severity::kError, "a tasklet's destructor can't return: its function waits for this very destructor");
  std::terminate();
}

// False: stuck, or the bounds of the request are over.
bool FutureCore::await(bool joining) {
  if (done_) return true;
  std::optional<BoundedWait> bounded;
  if (!joining) bounded.emplace();
  EventLoop& loop = EventLoop::current();
  if (Fiber* fiber = Fiber::current()) {
    Waiter waiter{fiber};
    link(waiter);
    loop.fibers().park(this, joining);
    unlink(waiter);
  } else {
    loop.wait_for(*this, joining, [&] { return bounded && bounded->over(); });
  }
  return done_;
}

void FutureCore::on_done(std::function<void()> callback) {
  if (done_) {
    EventLoop::current().call_soon(std::move(callback));
  } else {
    callbacks_.push_back(std::move(callback));
  }
}

void FutureCore::finish() noexcept {
  done_ = true;
  for (Waiter* waiter = first_; waiter != nullptr; waiter = waiter->next) waiter->fiber->wake();
  for (auto& callback : std::exchange(callbacks_, {})) EventLoop::current().call_soon(std::move(callback));
}

void FutureCore::link(Waiter& waiter) {
  waiter.previous = last_;
  (last_ != nullptr ? last_->next : first_) = &waiter;
  last_ = &waiter;
}

void FutureCore::unlink(Waiter& waiter) {
  (waiter.previous != nullptr ? waiter.previous->next : first_) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : last_) = waiter.previous;
}

class WaitList {
 public:
  using Cores = std::vector<std::shared_ptr<FutureCore>>;

  // Parks the running fiber until one of `futures` is done, or none can be done any more.
  static void park(const Cores& futures) {
    std::vector<Waiter> waiters(futures.size(), Waiter{Fiber::current()});
    for (std::size_t i = 0; i < futures.size(); ++i) futures[i]->link(waiters[i]);
    EventLoop::current().fibers().park(nullptr, /*joining=*/false);
    for (std::size_t i = 0; i < futures.size(); ++i) futures[i]->unlink(waiters[i]);
  }
};

}  // namespace detail

std::size_t wait_any(const std::vector<std::shared_ptr<detail::FutureCore>>& futures) {
  if (futures.empty()) throw BadArgumentError("wait_any() needs at least one future");
  for (const auto& future : futures) future->check_thread();
  const auto first_done = [&] { return std::ranges::find_if(futures, [](const auto& f) { return f->done(); }); };
  if (first_done() == futures.end()) {
    const BoundedWait bounded;
    if (detail::Fiber::current() != nullptr) {
      detail::WaitList::park(futures);
    } else {
      EventLoop::current().run_until([&] { return bounded.over() || first_done() != futures.end(); });
    }
  }
  if (first_done() == futures.end()) throw_unfinished();
  return static_cast<std::size_t>(first_done() - futures.begin());
}

}  // namespace ndb
