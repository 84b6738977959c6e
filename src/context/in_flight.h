// What a context has in flight, and the wait until there is nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fork.h"
#include "datastore/stub.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

// Counts batches that wait to be sent, writes that have not ended, and RPCs that have not been answered. Always owned
// by a shared_ptr, which whatever is in flight holds. Belongs to the thread of its context.
class InFlight : public std::enable_shared_from_this<InFlight> {
 public:
  void begin() { ++under_way_; }
  void end() {
    if (--under_way_ > 0) return;
    for (const std::function<void()>& quiet : std::exchange(on_quiet_, {})) quiet();
  }

  // Calls `send` once nothing is ready to run on this thread. Batches are sent this way.
  void when_idle(std::function<void()> send);
  // Calls `resume` after a pause, or when the bounds (null: none) are over.
  void after(std::chrono::nanoseconds pause, const std::shared_ptr<Bounds>& bounds, std::function<void()> resume);

  // A callback for the stub, which may call it on a thread of gRPC: `f` gets the response on this thread's loop. An
  // error caused by the end of `bounds` says so.
  template <class Response, class F>
  datastore::Done<Response> on_loop(std::shared_ptr<Bounds> bounds, F f) {
    EventLoop& loop = EventLoop::current();
    loop.started();
    if (bounds != nullptr) bounds->rpc_started();
    begin();
    return [self = shared_from_this(), &loop, inbox = loop.inbox(), process = fork_count(), bounds = std::move(bounds),
            f = std::move(f)](absl::StatusOr<Response> response) mutable {
      // This thread may touch nothing but the inbox.
      inbox->post([self = std::move(self), &loop, process, bounds = std::move(bounds), f = std::move(f),
                   response = std::move(response)]() mutable {
        if (process != fork_count()) return;  // the parent sent it
        loop.finished();
        if (bounds != nullptr) {
          bounds->rpc_ended();
          if (!response.ok()) response = bounds->explain(response.status(), loop.now());
        }
        f(std::move(response));
        self->end();
      });
    };
  }

  // Keeps the error of a write whose future was dropped, for drain(). False: another one is kept already.
  bool keep_unreported(const absl::Status& error) {
    if (!unreported_.ok()) return false;
    unreported_ = error;
    return true;
  }
  absl::Status take_unreported() { return std::exchange(unreported_, absl::OkStatus()); }

  std::size_t under_way() const { return under_way_; }

  // Waits until nothing is in flight. Returns the first error that was not reported to anybody, once.
  absl::Status drain();

 private:
  std::size_t under_way_ = 0;
  std::vector<std::function<void()>> on_quiet_;  // of the waiters in drain()
  absl::Status unreported_;
};

}  // namespace ndb::context
