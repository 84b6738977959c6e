// What a context has under way, and when it is quiet.
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
#include "tasklet/event_loop.h"

namespace ndb::context {

// Counts the batches that wait to be sent, the writes that have not ended, and the RPCs that are out. Always owned by a
// shared_ptr: what is under way keeps it. Belongs to the thread of its context.
class InFlight : public std::enable_shared_from_this<InFlight> {
 public:
  void begin() { ++under_way_; }
  void end() {
    if (--under_way_ > 0) return;
    for (const std::function<void()>& quiet : std::exchange(on_quiet_, {})) quiet();
  }

  // Calls `send` once nothing is ready to run on this thread: this is how a batch gets sent.
  void when_idle(std::function<void()> send);
  // Calls `resume` after a pause.
  void after(std::chrono::nanoseconds pause, std::function<void()> resume);

  // A callback for the stub, which may call it on a thread of gRPC's: `f` gets the response on this thread's loop.
  template <class Response, class F>
  datastore::Done<Response> on_loop(F f) {
    EventLoop& loop = EventLoop::current();
    loop.started();
    begin();
    return [self = shared_from_this(), &loop, inbox = loop.inbox(), process = fork_count(),
            f = std::move(f)](absl::StatusOr<Response> response) mutable {
      // Only the inbox may be touched here.
      inbox->post([self = std::move(self), &loop, process, f = std::move(f), response = std::move(response)]() mutable {
        if (process != fork_count()) return;  // it was the parent's
        loop.finished();
        f(std::move(response));
        self->end();
      });
    };
  }

  // An error that no future can tell of any more. The first one is kept for drain(); false: there is one already.
  bool untold(const absl::Status& error) {
    if (!untold_.ok()) return false;
    untold_ = error;
    return true;
  }
  absl::Status take_untold() { return std::exchange(untold_, absl::OkStatus()); }

  std::size_t under_way() const { return under_way_; }

  // Waits until nothing is under way; gives the first error that nobody was told of, once.
  absl::Status drain();

 private:
  std::size_t under_way_ = 0;
  std::vector<std::function<void()>> on_quiet_;  // of those who wait in drain()
  absl::Status untold_;
};

}  // namespace ndb::context
