// The current context of a thread's stack and of each of its tasklets.
#pragma once

#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "ndb/client.h"
#include "ndb/context.h"
#include "ndb/future.h"
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

// Makes a context current until the end of the block.
class CurrentContext {
 public:
  explicit CurrentContext(std::shared_ptr<Context> hold)
      : before_(std::exchange(tasklet_locals().context, std::move(hold))) {}
  ~CurrentContext() { tasklet_locals().context = std::move(before_); }
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  std::shared_ptr<Context> before_;
};

// Runs `body` with `context` as the current one. Returns, even if `body` throws, when nothing works in the context any
// more: its tasklets have ended and its calls have been answered. Rethrows what `body` throws, else throws the error of
// a write whose future was dropped.
void run_in(const std::shared_ptr<Context>& context, absl::FunctionRef<void()> body);

}  // namespace ndb::context
