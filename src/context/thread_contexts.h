// The contexts of a thread: the implicit one, those of its open scopes, and how all of them end with the thread.
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

  // Opens a scope for a new context, in the running frame.
  void open_scope(const std::shared_ptr<Context>& context);
  // Ends a scope that Scopes::can_end() allows: waits until no tasklet works in its context and nothing is in flight.
  // Returns the first error that was not reported to anybody. StuckError if a tasklet in it can never end; the scope
  // then ends with the thread.
  absl::Status end_scope(const std::shared_ptr<Context::Impl>& context);

  // Leaves a scope to its thread, which ends it when it next opens or closes a scope, or ends. Thread-safe.
  static void orphan(Context::Impl& context);
  // Ends the orphans that can end in the running frame. Errors are logged.
  void end_orphans();

  // A scope that is still open when the loop ends belongs to a static or thread_local object, or is an orphan.
  void before_end(bool can_wait) noexcept override;

 private:
  std::vector<std::shared_ptr<Context::Impl>> unended() const;
  void forget(const Context::Impl& scope);

  std::shared_ptr<Context> implicit_;
  std::vector<std::shared_ptr<Context::Impl>>
      former_;                                        // earlier contents of implicit_, while they have calls in flight
  std::vector<std::shared_ptr<Context::Impl>> open_;  // those of scopes, in no order
};

}  // namespace ndb::context
