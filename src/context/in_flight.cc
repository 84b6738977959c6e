#include "context/in_flight.h"

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

void InFlight::after(std::chrono::nanoseconds pause, std::function<void()> resume) {
  begin();
  EventLoop& loop = EventLoop::current();
  loop.call_at(loop.now() + pause, [self = shared_from_this(), process = fork_count(), resume = std::move(resume)] {
    if (process != fork_count()) return;  // the parent sent it
    resume();
    self->end();
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
