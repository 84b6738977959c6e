// Which context is current, on a thread's stack and in each of its tasklets.
#pragma once

#include <memory>
#include <utility>

#include "ndb/context.h"
#include "ndb/future.h"
#include "tasklet/event_loop.h"

namespace ndb {

// A hold on a context that tasklets inherit when they are spawned: `released` is done when the last holder is gone, so
// that a transaction or scope can wait for the tasklets that work in it.
struct ContextHold {
  explicit ContextHold(std::shared_ptr<Context> context);
  std::shared_ptr<void> hold;
  Future<void> released;
};

// A hold on the current context, the implicit one included. Throws as get_context() does.
std::shared_ptr<void> current_hold();

// Makes a context current until the end of the block.
class CurrentContext {
 public:
  explicit CurrentContext(std::shared_ptr<void> hold)
      : before_(std::exchange(tasklet_locals().context, std::move(hold))) {}
  ~CurrentContext() { tasklet_locals().context = std::move(before_); }
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  std::shared_ptr<void> before_;
};

}  // namespace ndb
