#include "tasklet/stack.h"

#include <sys/mman.h>

#include <functional>
#include <new>

namespace ndb::detail {
namespace {

constexpr std::size_t kSize = std::size_t{NDB_TASKLET_STACK_KIB} * 1024;
constexpr std::size_t kGuard = std::size_t{64} * 1024;  // no smaller than large frames, which could jump over one page

}  // namespace

std::size_t Stack::size() { return kSize; }

Stack::Stack() {
  void* memory = mmap(nullptr, kGuard + kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  bottom_ = static_cast<char*>(memory) + kGuard;
  if (mprotect(bottom_, kSize, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, kGuard + kSize);
    throw std::bad_alloc();
  }
}

Stack::~Stack() {
#if defined(NDB_ASAN)
  ASAN_UNPOISON_MEMORY_REGION(bottom_, kSize);  // frames of a fiber that was left for ever
#endif
  munmap(bottom_ - kGuard, kGuard + kSize);
}

bool Stack::guards(const void* address) const {
  const auto* at = static_cast<const char*>(address);
  return std::less_equal<>()(bottom_ - kGuard, at) && std::less<>()(at, bottom_);
}

StackSwitch::StackSwitch([[maybe_unused]] const Stack& stack)
#if defined(NDB_ASAN)
    : stack_(stack)
#endif
{
#if defined(NDB_TSAN)
  fiber_ = __tsan_create_fiber(0);
#endif
}

StackSwitch::~StackSwitch() {
#if defined(NDB_TSAN)
  __tsan_destroy_fiber(fiber_);
#endif
}

void StackSwitch::before_entering() {
#if defined(NDB_ASAN)
  __sanitizer_start_switch_fiber(&main_fake_stack_, stack_.bottom(), Stack::size());
#endif
#if defined(NDB_TSAN)
  main_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber_, 0);
#endif
}

void StackSwitch::after_return() {
#if defined(NDB_TSAN)
  __tsan_switch_to_fiber(main_, 0);
#endif
#if defined(NDB_ASAN)
  __sanitizer_finish_switch_fiber(main_fake_stack_, nullptr, nullptr);
#endif
}

void StackSwitch::after_entering() {
#if defined(NDB_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack_, &main_bottom_, &main_size_);
#endif
}

void StackSwitch::before_leaving() {
#if defined(NDB_ASAN)
  __sanitizer_start_switch_fiber(&fake_stack_, main_bottom_, main_size_);
#endif
}

void StackSwitch::before_leaving_for_ever() {
#if defined(NDB_ASAN)
  __sanitizer_start_switch_fiber(nullptr, main_bottom_, main_size_);
#endif
}

}  // namespace ndb::detail
