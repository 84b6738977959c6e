#include "context/current.h"

#include <exception>

#include "base/error.h"
#include "context/context_impl.h"

namespace ndb::context {
namespace {

Mutex default_mutex;
std::shared_ptr<Client::Core>& default_core() NDB_REQUIRES(default_mutex) {
  static std::shared_ptr<Client::Core> core;
  return core;
}

// The context of a thread that opened no scope: the process default client's, made anew when that has changed; null
// without one.
std::shared_ptr<void> implicit_context() {
  static thread_local std::shared_ptr<Context> context = (EventLoop::current(), nullptr);
  std::shared_ptr<Client::Core> core;
  {
    MutexLock lock(default_mutex);
    core = default_core();
  }
  if (core == nullptr) return nullptr;
  if (context == nullptr || context->impl().core != core) {
    auto impl = std::make_shared<Context::Impl>(core);
    impl->implicit = true;
    context = std::make_shared<Context>(std::move(impl));
  }
  return context;
}

[[noreturn]] void throw_no_context() {
  throw ContextError(
      "this thread has no context: keep `auto scope = client.context();` while it works, or name a client for all "
      "threads with ndb::set_default_client(client)");
}

}  // namespace

ContextHold::ContextHold(std::shared_ptr<Context> context) : released(std::make_shared<detail::FutureState<void>>()) {
  Context* const raw = context.get();
  hold = std::shared_ptr<void>(
      raw, [context = std::move(context), state = released.state()](void*) { state->set(detail::Unit{}); });
}

std::shared_ptr<void> current_hold() {
  std::shared_ptr<void> hold = tasklet_locals().context;
  if (hold == nullptr) hold = implicit_context();
  if (hold == nullptr) throw_no_context();
  return hold;
}

Context* find_context() {
  void* const current = tasklet_locals().context.get();
  return static_cast<Context*>(current != nullptr ? current : implicit_context().get());
}

const Partition* current_partition() {
  const Context* const context = find_context();
  return context != nullptr ? &context->impl().core->partition : nullptr;
}

void run_in(const std::shared_ptr<Context>& context, absl::FunctionRef<void()> body) {
  ContextHold hold(context);
  std::exception_ptr error;
  try {
    CurrentContext current(std::exchange(hold.hold, nullptr));
    body();
  } catch (...) {
    error = std::current_exception();
  }
  hold.released.state()->join();
  const absl::Status untold = context->impl().drain();
  if (error != nullptr) std::rethrow_exception(error);
  throw_if_error(untold);
}

}  // namespace ndb::context

namespace ndb {

Context& get_context() {
  Context* const context = context::find_context();
  if (context == nullptr) context::throw_no_context();
  return *context;
}

void set_default_client(std::optional<Client> client) {
  MutexLock lock(context::default_mutex);
  context::default_core() = client ? client->core() : nullptr;
}

}  // namespace ndb
