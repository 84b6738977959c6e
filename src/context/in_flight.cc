#include "context/in_flight.h"

#include <cstdint>
#include <optional>

#include "ndb/future.h"

namespace ndb::context {

void InFlight::when_idle(std::function<void()> send) {
  begin();
  EventLoop::current().call_when_idle([self = shared_from_this(), process = fork_count(), send = std::move(send)] {
    if (process != fork_count()) return;  // the parent sends it
    send();
    self->end();
  });
}

namespace {

// A pause that ends once: by its timer, which owns it, or with the bounds of its request.
struct Pause {
  std::function<void()> resume;
  std::optional<Bounds::Watch> watch;

  void end() {
    watch.reset();
    if (const auto once = std::exchange(resume, nullptr)) once();
  }
};

}  // namespace

void InFlight::after(std::chrono::nanoseconds pause, const std::shared_ptr<Bounds>& bounds,
                     std::function<void()> resume) {
  begin();
  EventLoop& loop = EventLoop::current();
  const Monotonic when = loop.now() + pause;
  const auto one = std::make_shared<Pause>();
  one->resume = [self = shared_from_this(), process = fork_count(), resume = std::move(resume)] {
    if (process != fork_count()) return;  // the parent sent it
    resume();
    self->end();
  };
  const std::uint64_t timer = loop.call_at(when, [one] { one->end(); });
  if (bounds == nullptr) return;
  one->watch.emplace(bounds, [&loop, when, timer, weak = std::weak_ptr(one)] {
    const auto over = weak.lock();
    loop.cancel_timer(when, timer);
    if (over != nullptr) over->end();
  });
}

absl::Status InFlight::drain() {
  while (under_way_ > 0) {
    auto quiet = std::make_shared<detail::FutureState<void>>();
    on_quiet_.emplace_back([quiet] { quiet->set(detail::Unit{}); });
    quiet->wait();
  }
  return take_unreported();
}

}  // namespace ndb::context
