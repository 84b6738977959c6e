#include "ndb/future.h"

#include <algorithm>
#include <exception>

#include "base/log.h"
#include "base/strings.h"
#include "tasklet/event_loop.h"
#include "tasklet/fiber.h"

namespace ndb {
namespace {

[[noreturn]] void throw_stuck() {
  throw StuckError(
      cat("stuck: this waits for something that nothing under way can ever finish (tasklets that wait for one another, "
          "or an operation that was never started)",
          EventLoop::current().stuck_hint()));
}

}  // namespace

namespace detail {

void FutureCore::wait() {
  if (!await(/*joining=*/false)) throw_stuck();
}

void FutureCore::join() noexcept {
  if (await(/*joining=*/true)) return;
  log(Severity::kError, "a tasklet's destructor can't return: its function waits for this very destructor");
  std::terminate();
}

// False: stuck.
bool FutureCore::await(bool joining) {
  if (done_) return true;
  EventLoop& loop = EventLoop::current();
  if (Fiber* fiber = Fiber::current()) {
    Waiter waiter{fiber};
    link(waiter);
    loop.fibers().park(this, joining);
    unlink(waiter);
  } else {
    loop.wait_for(*this, joining);
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

  // Parks the running fiber until one of `futures` is done, or it is no use.
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
  const auto first_done = [&] { return std::ranges::find_if(futures, [](const auto& f) { return f->done(); }); };
  if (first_done() == futures.end()) {
    if (detail::Fiber::current() != nullptr) {
      detail::WaitList::park(futures);
    } else {
      EventLoop::current().run_until([&] { return first_done() != futures.end(); });
    }
  }
  if (first_done() == futures.end()) throw_stuck();
  return static_cast<std::size_t>(first_done() - futures.begin());
}

}  // namespace ndb
