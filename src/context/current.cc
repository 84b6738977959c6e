#include "context/current.h"

#include <pthread.h>

#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "base/mutex.h"
#include "context/context_impl.h"
#include "context/thread_contexts.h"

namespace ndb::context {
namespace {

// The client of threads without a scope. Never destroyed, so that destructors of static objects may still ask for it;
// it has no client any more once the process has begun to exit.
struct DefaultClient {
  Mutex mutex;
  std::shared_ptr<Client::Core> core NDB_GUARDED_BY(mutex);

  void set(std::shared_ptr<Client::Core> next) {
    const MutexLock lock(mutex);
    core.swap(next);  // the former client is destroyed after the lock is released
  }
  std::shared_ptr<Client::Core> get() {
    const MutexLock lock(mutex);
    return core;
  }
  // Locked around fork(), so that the mutex is not held in the child by a thread that does not exist there.
  void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.lock(); }
  void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.unlock(); }
};

DefaultClient& default_client() {
  static DefaultClient& client = []() -> DefaultClient& {
    DefaultClient& made = *std::make_unique<DefaultClient>().release();
    pthread_atfork([] { default_client().lock(); }, [] { default_client().unlock(); },
                   [] { default_client().unlock(); });
    std::atexit([] { default_client().set(nullptr); });
    return made;
  }();
  return client;
}

// Null if there is no default client.
std::shared_ptr<Context> implicit_context() {
  const std::shared_ptr<Client::Core> core = default_client().get();
  if (core == nullptr) return nullptr;
  if (core->fork_mark.left_behind()) throw_error(core->use());
  return ThreadContexts::mine().implicit(core);
}

[[noreturn]] void throw_no_context() {
  throw ContextError(
      "this thread has no context: keep `auto scope = client.context();` while it works, or name a client for all "
      "threads with ndb::set_default_client(client)");
}

}  // namespace

ContextHold::ContextHold(std::shared_ptr<Context> context) : released(std::make_shared<detail::FutureState<void>>()) {
  Context* const raw = context.get();
  hold = std::shared_ptr<Context>(
      raw, [context = std::move(context), state = released.state()](void*) { state->set(detail::Unit{}); });
}

std::shared_ptr<Scopes> Scopes::open(std::shared_ptr<Context> hold) {
  TaskletLocals& here = tasklet_locals();
  if (here.scopes == nullptr) here.scopes = std::make_shared<Scopes>(here.context, here.bounds);
  here.scopes->open_.push_back(hold);
  here.bounds = impl_of(*hold).bounds;
  here.context = std::move(hold);
  return here.scopes;
}

void Scopes::close(const Context::Impl& context) {
  std::erase_if(open_, [&](const auto& hold) { return &impl_of(*hold) == &context; });
  tasklet_locals().context = open_.empty() ? before_ : open_.back();
  tasklet_locals().bounds = open_.empty() ? bounds_before_ : impl_of(*open_.back()).bounds;
}

bool Scopes::can_end(const Context::Impl& context) {
  const TaskletLocals& here = tasklet_locals();
  if (const std::shared_ptr<Scopes> opened_in = context.opened_in.lock()) return opened_in == here.scopes;
  const auto began_in = [&](const std::shared_ptr<Context>& hold) { return hold && &impl_of(*hold) == &context; };
  return !began_in(here.scopes != nullptr ? here.scopes->before_ : here.context);
}

std::shared_ptr<Context> current_hold() {
  std::shared_ptr<Context> hold = tasklet_locals().context;
  if (hold == nullptr) hold = implicit_context();
  if (hold == nullptr) throw_no_context();
  return hold;
}

bool is_default(const std::shared_ptr<Client::Core>& core) { return default_client().get() == core; }

Context* find_context() {
  Context* const current = tasklet_locals().context.get();
  return current != nullptr ? current : implicit_context().get();
}

const Partition* current_partition() {
  const Context* const context = find_context();
  return context != nullptr ? &impl_of(*context).partition() : nullptr;
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
  const absl::Status unreported = impl_of(*context).drain();
  if (error != nullptr) std::rethrow_exception(error);
  throw_if_error(unreported);
}

}  // namespace ndb::context

namespace ndb {

Context& get_context() {
  Context* const context = context::find_context();
  if (context == nullptr) context::throw_no_context();
  return *context;
}

void set_default_client(std::optional<Client> client) {
  context::default_client().set(client ? core_of(*client) : nullptr);
}

}  // namespace ndb
