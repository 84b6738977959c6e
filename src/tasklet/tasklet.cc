#include "ndb/tasklet.h"

#include <algorithm>
#include <cstdint>

#include "base/log.h"
#include "base/strings.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"
#include "tasklet/fiber.h"

namespace ndb {
namespace detail {

void spawn(std::shared_ptr<Job> job) { EventLoop::current().fibers().spawn(std::move(job)); }

absl::Status cancelled_tasklet() { return Cancelled("the tasklet was cancelled before it had started").status(); }

void report_unseen(const absl::Status& error) noexcept {
  if (error.ok() || absl::IsCancelled(error)) return;  // the code that cancels or rolls back knows
  try {
    log(Severity::kWarning, cat("a tasklet failed and nobody asked for its result: ", from_absl(error.message())));
  } catch (...) {  // NOLINT(bugprone-empty-catch): the sink's own trouble, which must not leave a destructor
  }
}

}  // namespace detail

void sleep(std::chrono::nanoseconds duration) {
  const auto over = std::make_shared<detail::FutureState<void>>();
  EventLoop& loop = EventLoop::current();
  const Monotonic when = loop.now() + std::min(duration, Monotonic::max() - loop.now());
  const std::uint64_t timer = loop.call_at(when, [over] {
    if (!over->done()) over->set(detail::Unit());
  });
  const std::shared_ptr<Bounds> bounds = tasklet_locals().bounds;
  const Bounds::Watch watch(bounds, [&] {
    loop.cancel_timer(when, timer);
    if (!over->done()) over->fail(bounds->check(loop.now()));
  });
  over->wait();
  over->value();
}

}  // namespace ndb
