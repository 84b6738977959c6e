// The contexts of a thread: that of a thread without a scope, and what becomes of all of them when the thread ends.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "context/context_impl.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

// How long a thread's end waits for calls that are under way in a context which no scope has ended.
inline constexpr std::chrono::seconds kLongestEnd{30};

// One per event loop, made when the thread first opens a scope or works without one. Belongs to the thread.
class ThreadContexts final : public LoopAttachment {
 public:
  static ThreadContexts& mine();

  // The context of a thread without a scope, for the process's default client. The same object as long as the thread
  // lives, so that a reference to it stays valid; its inside is made anew when the default client has changed.
  std::shared_ptr<Context> implicit(const std::shared_ptr<Client::Core>& core);

  // A scope that is still open when the loop ends is in a static or thread_local object, or was destroyed on another
  // thread.
  void before_end(bool can_wait) noexcept override;

 private:
  std::vector<std::shared_ptr<Context::Impl>> unended() const;

  std::shared_ptr<Context> implicit_;
  std::vector<std::shared_ptr<Context::Impl>> former_;  // of implicit_, while calls are in them
};

// Ends the scope of the context, on its own thread: waits until no tasklet works in it and nothing is under way. Gives
// the first error that nobody was told of.
absl::Status end_scope(const std::shared_ptr<Context::Impl>& context);

}  // namespace ndb::context
