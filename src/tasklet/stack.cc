#include "tasklet/stack.h"

#include <sys/mman.h>

#include <functional>
#include <new>

// The sanitizers' interface, as sanitizer/common_interface_defs.h, asan_interface.h and tsan_interface.h declare it,
// but weak: null unless the program is linked with the runtime of that sanitizer.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom, std::size_t* old_size);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* address, std::size_t size);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
// NOLINTEND(bugprone-reserved-identifier)

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
  // Frames of a fiber that will never continue.
  if (__asan_unpoison_memory_region != nullptr) __asan_unpoison_memory_region(bottom_, kSize);
  munmap(bottom_ - kGuard, kGuard + kSize);
}

bool Stack::guards(const void* address) const {
  const auto* at = static_cast<const char*>(address);
  return std::less_equal<>()(bottom_ - kGuard, at) && std::less<>()(at, bottom_);
}

bool under_sanitizer() { return __sanitizer_start_switch_fiber != nullptr || __tsan_create_fiber != nullptr; }

StackSwitch::StackSwitch(const Stack& stack) : stack_(stack) {
  if (__tsan_create_fiber != nullptr) tsan_fiber_ = __tsan_create_fiber(0);
}

StackSwitch::~StackSwitch() {
  if (tsan_fiber_ != nullptr) __tsan_destroy_fiber(tsan_fiber_);
}

void StackSwitch::before_entering() {
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(&main_fake_stack_, stack_.bottom(), Stack::size());
  }
  if (tsan_fiber_ == nullptr) return;
  tsan_main_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_fiber_, 0);
}

void StackSwitch::after_return() {
  if (tsan_fiber_ != nullptr) __tsan_switch_to_fiber(tsan_main_, 0);
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(main_fake_stack_, nullptr, nullptr);
  }
}

void StackSwitch::after_entering() {
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(fake_stack_, &main_bottom_, &main_size_);
  }
}

void StackSwitch::before_leaving() {
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(&fake_stack_, main_bottom_, main_size_);
  }
}

void StackSwitch::before_leaving_for_ever() {
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(nullptr, main_bottom_, main_size_);
  }
}

}  // namespace ndb::detail
