// Linked into every program of a ThreadSanitizer build, so that it understands gRPC.
//
// Debian's gRPC is not instrumented and locks with futexes of its own, so that ThreadSanitizer sees nothing of how a
// call, or the answer to it, gets from one thread to another, and reports whatever was handed over. The hand-overs go
// through a few C functions, which gRPC's headers and libraries call by name and which are wrapped here to tell of
// them: a batch of operations starts with a tag, which comes out of a completion queue when they are done, and gRPC's
// threads give each other work under a gpr_mu. Nothing is suppressed.
//
// What stays unseen is a counter within gRPC that decides when a call's server reactor may go: OnDone() has to take a
// mutex that the reactor's other callbacks held.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpc/support/sync.h>
#include <sanitizer/tsan_interface.h>

#include <cstddef>

namespace {

// The function of that name in gRPC's own library.
template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

// What libraries that are not instrumented do among themselves is not judged.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* operations, std::size_t count, void* tag,
                                      void* reserved) {
  static const auto start = original<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  return start(call, operations, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static const auto next = original<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag, gpr_timespec deadline, void* reserved) {
  static const auto pluck = original<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  const grpc_event event = pluck(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(tag);
  return event;
}

void gpr_mu_lock(gpr_mu* mutex) {
  static const auto lock = original<decltype(gpr_mu_lock)>("gpr_mu_lock");
  lock(mutex);
  __tsan_acquire(mutex);
}

void gpr_mu_unlock(gpr_mu* mutex) {
  static const auto unlock = original<decltype(gpr_mu_unlock)>("gpr_mu_unlock");
  __tsan_release(mutex);
  unlock(mutex);
}

int gpr_cv_wait(gpr_cv* condition, gpr_mu* mutex, gpr_timespec deadline) {
  static const auto wait = original<decltype(gpr_cv_wait)>("gpr_cv_wait");
  __tsan_release(mutex);
  const int timed_out = wait(condition, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

}  // extern "C"
