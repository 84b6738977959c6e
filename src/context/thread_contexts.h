// The contexts of a thread: the implicit one, and how all of them end with the thread.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "context/context_impl.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

// How long the end of a thread waits for calls in flight in a context whose scope has not ended.
inline constexpr std::chrono::seconds kLongestEnd{30};

// One per event loop, made when the thread first opens a scope or works without one. Belongs to the thread.
class ThreadContexts final : public LoopAttachment {
 public:
  static ThreadContexts& mine();

  // The context of a thread without a scope, for the process's default client. It is the same object as long as the
  // thread lives, so that references to it stay valid; its contents are replaced when the default client changes.
  std::shared_ptr<Context> implicit(const std::shared_ptr<Client::Core>& core);

  // A scope that is still open when the loop ends belongs to a static or thread_local object, or was destroyed on
  // another thread.
  void before_end(bool can_wait) noexcept override;

 private:
  std::vector<std::shared_ptr<Context::Impl>> unended() const;

  std::shared_ptr<Context> implicit_;
  std::vector<std::shared_ptr<Context::Impl>>
      former_;  // earlier contents of implicit_, while they have calls in flight
};

// Ends the scope of the context, on its own thread: waits until no tasklet works in it and nothing is in flight.
// Returns the first error that was not reported to anybody.
absl::Status end_scope(const std::shared_ptr<Context::Impl>& context);

}  // namespace ndb::context
