// Linked into every program of a ThreadSanitizer build, so that it understands gRPC.
//
// Debian's gRPC is not instrumented and locks with futexes of its own, so that ThreadSanitizer sees nothing of how a
// call, or the answer to it, gets from one thread to another, and reports whatever was handed over. The hand-overs go
// through a few C functions, which gRPC's headers and libraries call by name and which are wrapped here to tell of
// them: a batch of operations starts with a tag, which comes out of a completion queue when they are done, gRPC's
// threads give each other work under a gpr_mu, and within a process a message is read from the very memory in which it
// was sent. Nothing is suppressed.
//
// What stays unseen is a counter within gRPC that decides when a call's server reactor may go: OnDone() has to take a
// mutex that the reactor's other callbacks held.
#include <dlfcn.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
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

// Calls `tell` with the memory of each part of a message.
template <class Tell>
void for_each_slice(grpc_byte_buffer* message, Tell tell) {
  if (message == nullptr || message->type != GRPC_BB_RAW) return;
  const grpc_slice_buffer& slices = message->data.raw.slice_buffer;
  for (std::size_t i = 0; i < slices.count; ++i) {
    if (slices.slices[i].refcount != nullptr) tell(slices.slices[i].data.refcounted.bytes);
  }
}

}  // namespace

extern "C" {

// What libraries that are not instrumented do among themselves is not judged.
// A test that forks with gRPC in the parent may start threads in the child.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1:die_after_fork=0"; }

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* operations, std::size_t count, void* tag,
                                      void* reserved) {
  static const auto start = original<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  for (std::size_t i = 0; i < count; ++i) {
    if (operations[i].op != GRPC_OP_SEND_MESSAGE) continue;
    for_each_slice(operations[i].data.send_message.send_message, [](void* bytes) { __tsan_release(bytes); });
  }
  return start(call, operations, count, tag, reserved);
}

int grpc_byte_buffer_reader_init(grpc_byte_buffer_reader* reader, grpc_byte_buffer* message) {
  static const auto init = original<decltype(grpc_byte_buffer_reader_init)>("grpc_byte_buffer_reader_init");
  for_each_slice(message, [](void* bytes) { __tsan_acquire(bytes); });
  return init(reader, message);
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
