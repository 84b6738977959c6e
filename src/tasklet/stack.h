// Memory for stacks, and what the sanitizers must be told about switches between them.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#define NDB_HAS_FEATURE(feature) __has_feature(feature)
#else
#define NDB_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || NDB_HAS_FEATURE(thread_sanitizer)
#define NDB_TSAN 1
#endif

// For functions that switch fibers: they enter on one call stack and leave on the other.
#if defined(NDB_TSAN) && defined(__clang__)
#define NDB_NO_TSAN_FRAME __attribute__((disable_sanitizer_instrumentation))
#elif defined(NDB_TSAN)
#define NDB_NO_TSAN_FRAME __attribute__((no_sanitize_thread))
#else
#define NDB_NO_TSAN_FRAME
#endif

namespace ndb::detail {

// Memory of one stack, above a guard area in which every access faults. Both take only address space until they are
// used. The constructor throws std::bad_alloc (the kernel allows some 32,000 stacks: vm.max_map_count).
class Stack {
 public:
  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  char* bottom() const { return bottom_; }
  char* top() const { return bottom_ + size(); }
  static std::size_t size();
  bool guards(const void* address) const;  // it is in the guard area

 private:
  char* bottom_;
};

// Whether the program runs under AddressSanitizer or ThreadSanitizer. This is known only at run time: the library may
// have been built without either, and still must tell them about every switch.
bool under_sanitizer();

// AddressSanitizer must know the current stack, ThreadSanitizer the current fiber. ThreadSanitizer is told on the side
// of the main stack, just before and just after the switch, so that its call stacks stay balanced. Does nothing without
// a sanitizer.
class StackSwitch {
 public:
  explicit StackSwitch(const Stack& stack);
  ~StackSwitch();
  StackSwitch(const StackSwitch&) = delete;
  StackSwitch& operator=(const StackSwitch&) = delete;

  // On the main stack.
  NDB_NO_TSAN_FRAME void before_entering();
  NDB_NO_TSAN_FRAME void after_return();

  // On the fiber's stack.
  void after_entering();
  void before_leaving();
  void before_leaving_for_ever();

 private:
  const Stack& stack_;
  void* fake_stack_ = nullptr;
  void* main_fake_stack_ = nullptr;
  const void* main_bottom_ = nullptr;
  std::size_t main_size_ = 0;
  void* tsan_fiber_ = nullptr;
  void* tsan_main_ = nullptr;
};

}  // namespace ndb::detail
