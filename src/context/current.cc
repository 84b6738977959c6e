#include "context/current.h"

#include "base/error.h"
#include "context/impl.h"

namespace ndb {
namespace {

Mutex default_mutex;
std::shared_ptr<Client::Core>& default_core() NDB_REQUIRES(default_mutex) {
  static std::shared_ptr<Client::Core> core;
  return core;
}

// The context of a thread that opened no scope. Made anew when the process default client has changed.
std::shared_ptr<void> implicit_context() {
  static thread_local std::shared_ptr<Context> context = (EventLoop::current(), nullptr);
  std::shared_ptr<Client::Core> core;
  {
    MutexLock lock(default_mutex);
    core = default_core();
  }
  if (core == nullptr) {
    throw ContextError(
        "this thread has no context: keep `auto scope = client.context();` while it works, or name a client for all "
        "threads with ndb::set_default_client(client)");
  }
  if (context == nullptr || context->impl().core != core) {
    auto impl = std::make_shared<Context::Impl>(core);
    impl->implicit = true;
    context = std::make_shared<Context>(std::move(impl));
    detail::default_partition() = &context->impl().core->partition;
  }
  return context;
}

}  // namespace

ContextHold::ContextHold(std::shared_ptr<Context> context) : released(std::make_shared<detail::FutureState<void>>()) {
  Context* const raw = context.get();
  hold = std::shared_ptr<void>(
      raw, [context = std::move(context), state = released.state()](void*) { state->set(detail::Unit{}); });
}

std::shared_ptr<void> current_hold() {
  std::shared_ptr<void>& current = tasklet_locals().context;
  return current != nullptr ? current : implicit_context();
}

Context& get_context() {
  void* const current = tasklet_locals().context.get();
  return *static_cast<Context*>(current != nullptr ? current : implicit_context().get());
}

void set_default_client(std::optional<Client> client) {
  MutexLock lock(default_mutex);
  default_core() = client ? client->core() : nullptr;
}

}  // namespace ndb
