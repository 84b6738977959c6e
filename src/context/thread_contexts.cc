#include "context/thread_contexts.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/current.h"

namespace ndb::context {
namespace {

// Runs the loop until `done`, the deadline, or until the loop has nothing left to run.
template <class Done>
void run_for(std::chrono::seconds longest, Done done) {
  EventLoop& loop = EventLoop::current();
  const Monotonic latest = loop.now() + longest;
  while (!done() && loop.now() < latest) {
    try {
      if (!loop.run_once(latest)) return;
    } catch (const std::exception& error) {
      log(Severity::kError, cat("at the end of a thread: ", error.what()));
    }
  }
}

}  // namespace

ThreadContexts& ThreadContexts::mine() {
  EventLoop& loop = EventLoop::current();
  if (loop.attachment() == nullptr) loop.attach(std::make_unique<ThreadContexts>());
  return static_cast<ThreadContexts&>(*loop.attachment());
}

std::shared_ptr<Context> ThreadContexts::implicit(const std::shared_ptr<Client::Core>& core) {
  if (implicit_ != nullptr && impl_of(*implicit_).core == core) return implicit_;
  auto impl = std::make_shared<Context::Impl>(core);
  impl->implicit = true;
  if (implicit_ == nullptr) {
    implicit_ = detail::ContextAccess::make(std::move(impl));
  } else {
    former_.push_back(detail::ContextAccess::exchange(*implicit_, std::move(impl)));
    std::erase_if(former_, [](const auto& one) { return one->depth == 0; });
  }
  return implicit_;
}

// Leaves out contexts whose calls in flight were started before fork(), in the parent process.
std::vector<std::shared_ptr<Context::Impl>> ThreadContexts::unended() const {
  std::vector<std::shared_ptr<Context::Impl>> contexts = former_;
  const auto add = [&](const std::shared_ptr<Context>& context) {
    if (context != nullptr) contexts.push_back(impl_of(*context).shared_from_this());
  };
  add(implicit_);
  if (const std::shared_ptr<Context>& current = tasklet_locals().context) {
    add(current);
    add(impl_of(*current).outer);
  }
  std::erase_if(contexts, [](const auto& one) { return one->core->fork_mark.left_behind(); });
  return contexts;
}

void ThreadContexts::before_end(bool can_wait) noexcept {
  const auto contexts = unended();
  const auto under_way = [&] {
    std::size_t sum = 0;
    for (const auto& context : contexts) sum += context->workspace->in_flight->under_way();
    return sum;
  };
  // Every tasklet that works in the current context holds it.
  const auto quiet = [&] { return under_way() == 0 && tasklet_locals().context.use_count() <= 1; };
  if (can_wait) run_for(kLongestEnd, quiet);
  if (const std::size_t left = under_way(); left > 0) {
    log(Severity::kError, cat("a thread ended while ", left, " batches and calls of its context were under way, which ",
                              can_wait ? cat("were not answered within ", kLongestEnd.count(), " s")
                                       : std::string("exit() within a tasklet keeps from ending"),
                              ": whether their writes were made is unknown"));
  }
  for (const auto& context : contexts) {
    context->over = true;
    if (const absl::Status unreported = context->workspace->in_flight->take_unreported(); !unreported.ok()) {
      log(Severity::kError, cat("at the end of a thread: ", from_absl(unreported.message())));
    }
  }
}

absl::Status end_scope(const std::shared_ptr<Context::Impl>& context) {
  tasklet_locals().context = nullptr;
  absl::Status unreported;
  if (!context->core->fork_mark.left_behind()) {
    context->released->wait();
    unreported = context->drain();
  }
  context->over = true;
  return unreported;
}

}  // namespace ndb::context
