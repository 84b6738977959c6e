#include "context/thread_contexts.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/current.h"

namespace ndb::context {
namespace {

// In the whole process: a thread looks for its own only if there are any.
std::atomic<std::size_t> orphans{0};

void adopt(Context::Impl& context) {
  if (context.orphaned.exchange(false)) --orphans;
}

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

void ThreadContexts::open_scope(const std::shared_ptr<Context>& context) {
  Context::Impl& impl = impl_of(*context);
  open_.push_back(impl.shared_from_this());
  impl.place = open_.size() - 1;
  ContextHold hold(context);
  impl.released = hold.released.state();
  impl.opened_in = Scopes::open(std::move(hold.hold));
  impl.core->open_contexts.opened(&impl);
}

absl::Status ThreadContexts::end_scope(const std::shared_ptr<Context::Impl>& context) {
  if (const std::shared_ptr<Scopes> scopes = context->opened_in.lock()) scopes->close(*context);
  const CurrentBounds unbounded(nullptr);  // what is in flight ends with its own bounds
  absl::Status unreported;
  if (!context->core->fork_mark.left_behind()) {
    context->released->wait();
    unreported = context->drain();
  }
  context->over = true;
  context->core->open_contexts.ended(context.get());
  forget(*context);
  return unreported;
}

void ThreadContexts::forget(const Context::Impl& scope) {
  const std::size_t place = scope.place;
  std::swap(open_[place], open_.back());
  open_[place]->place = place;
  open_.pop_back();
}

void ThreadContexts::orphan(Context::Impl& context) {
  ++orphans;
  context.orphaned = true;
}

// One after the other: while one ends, others may be opened and ended.
void ThreadContexts::end_orphans() {
  const auto can_end = [](const auto& one) { return one->orphaned && Scopes::can_end(*one); };
  while (orphans > 0) {
    const auto found = std::ranges::find_if(open_, can_end);
    if (found == open_.end()) return;
    const auto context = (*found)->shared_from_this();  // the list changes
    adopt(*context);
    try {
      throw_if_error(end_scope(context));
    } catch (const std::exception& error) {
      log(Severity::kError, cat("at the end of a context's scope: ", error.what()));
    }
  }
}

// Leaves out contexts whose calls in flight were started before fork(), in the parent process.
std::vector<std::shared_ptr<Context::Impl>> ThreadContexts::unended() const {
  std::vector<std::shared_ptr<Context::Impl>> contexts = former_;
  contexts.insert(contexts.end(), open_.begin(), open_.end());
  if (implicit_ != nullptr) contexts.push_back(impl_of(*implicit_).shared_from_this());
  const std::shared_ptr<Context>& current = tasklet_locals().context;
  if (current != nullptr && impl_of(*current).in_transaction()) {  // in which exit() was called
    contexts.push_back(impl_of(*current).shared_from_this());
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
  // No tasklet works in a scope.
  const auto released = [](const auto& one) { return one->released == nullptr || one->released->done(); };
  if (can_wait) {
    tasklet_locals() = {};
    run_for(kLongestEnd, [&] { return under_way() == 0 && std::ranges::all_of(contexts, released); });
  }
  if (const std::size_t left = under_way(); left > 0) {
    log(Severity::kError, cat("a thread ended while ", left, " batches and calls of its context were under way, which ",
                              can_wait ? cat("were not answered within ", kLongestEnd.count(), " s")
                                       : std::string("exit() within a tasklet keeps from ending"),
                              ": whether their writes were made is unknown"));
  }
  for (const auto& context : contexts) {
    context->over = true;
    adopt(*context);
    context->core->open_contexts.ended(context.get());
    if (const absl::Status unreported = context->workspace->in_flight->take_unreported(); !unreported.ok()) {
      log(Severity::kError, cat("at the end of a thread: ", from_absl(unreported.message())));
    }
  }
}

}  // namespace ndb::context
