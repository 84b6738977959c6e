// Linked into every program of a ThreadSanitizer build, so that it understands gRPC.
//
// Debian's gRPC is not instrumented and locks with futexes of its own, so that ThreadSanitizer sees nothing of how a
// call, or the answer to it, gets from one thread to another, and reports whatever was handed over. All hand-overs go
// through two C functions, which the C++ headers and library call by name: a batch of operations starts with a tag, and
// the tag comes out of a completion queue when they are done. Here both are wrapped to say just that. Nothing is
// suppressed.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include <cstddef>

// What libraries that are not instrumented do among themselves is not judged.
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* operations, std::size_t count,
                                                 void* tag, void* reserved) {
  static const auto original =
      reinterpret_cast<decltype(&grpc_call_start_batch)>(dlsym(RTLD_NEXT, "grpc_call_start_batch"));
  __tsan_release(tag);
  return original(call, operations, count, tag, reserved);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static const auto original =
      reinterpret_cast<decltype(&grpc_completion_queue_next)>(dlsym(RTLD_NEXT, "grpc_completion_queue_next"));
  const grpc_event event = original(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}
