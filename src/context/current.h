// The current context of a thread's stack and of each of its tasklets.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "ndb/client.h"
#include "ndb/context.h"
#include "ndb/future.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

// A hold on a context, which tasklets inherit when they are spawned. `released` is done when the last holder is gone,
// so that a transaction or scope can wait for the tasklets that work in it.
struct ContextHold {
  explicit ContextHold(std::shared_ptr<Context> context);
  std::shared_ptr<Context> hold;
  Future<void> released;
};

// A hold on the current context, the implicit one included. Throws as get_context() does.
std::shared_ptr<Context> current_hold();

// Whether `core` is that of the process's default client.
bool is_default(const std::shared_ptr<Client::Core>& core);

// Returns what get_context() returns, or null where it throws.
Context* find_context();

// The partition of the current context, or null where get_context() throws.
const Partition* current_partition();

// The scopes that are open in one frame. A frame is the main stack of a thread, a tasklet, or the block of a
// CurrentContext, such as the function of a transaction. A scope belongs to the frame in which it was opened and ends
// there, in any order; the innermost one that is left is current. A scope that was moved out of a frame which has ended
// is current nowhere. Belongs to the thread.
class Scopes {
 public:
  // `before` and `bounds_before` are the hold and the bounds that are current while no scope of the frame is open; they
  // may be null.
  Scopes(std::shared_ptr<Context> before, std::shared_ptr<Bounds> bounds_before)
      : before_(std::move(before)), bounds_before_(std::move(bounds_before)) {}

  // Makes a context the current one of the running frame, whose scopes it gives. `hold` is a ContextHold's.
  static std::shared_ptr<Scopes> open(std::shared_ptr<Context> hold);
  // Lets go of a context that was opened here; of the running frame only.
  void close(const Context::Impl& context);

  // Whether the scope of `context` can end in the running frame: it was opened here, or its frame has ended and this
  // one was not begun in it.
  static bool can_end(const Context::Impl& context);

 private:
  const std::shared_ptr<Context> before_;
  const std::shared_ptr<Bounds> bounds_before_;
  std::vector<std::shared_ptr<Context>> open_;  // holds, the innermost one last
};

// Makes a context current until the end of the block, which is a frame of its own.
class CurrentContext {
 public:
  explicit CurrentContext(std::shared_ptr<Context> hold)
      : before_(std::exchange(tasklet_locals().context, std::move(hold))),
        scopes_(std::exchange(tasklet_locals().scopes, nullptr)) {}
  ~CurrentContext() {
    tasklet_locals().context = std::move(before_);
    tasklet_locals().scopes = std::move(scopes_);
  }
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  std::shared_ptr<Context> before_;
  std::shared_ptr<Scopes> scopes_;
};

// Gives `bounds` to all calls and waits until the end of the block.
class CurrentBounds {
 public:
  explicit CurrentBounds(std::shared_ptr<Bounds> bounds)
      : before_(std::exchange(tasklet_locals().bounds, std::move(bounds))) {}
  ~CurrentBounds() { tasklet_locals().bounds = std::move(before_); }
  CurrentBounds(const CurrentBounds&) = delete;
  CurrentBounds& operator=(const CurrentBounds&) = delete;

 private:
  std::shared_ptr<Bounds> before_;
};

// Runs `body` with `context` as the current one. Returns, even if `body` throws, when nothing works in the context any
// more: its tasklets have ended and its calls have been answered. Rethrows what `body` throws, else throws the error of
// a write whose future was dropped.
void run_in(const std::shared_ptr<Context>& context, absl::FunctionRef<void()> body);

}  // namespace ndb::context
