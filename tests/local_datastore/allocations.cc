#include "local_datastore/allocations.h"

#include <cstdlib>
#include <new>

// A sanitizer brings its own operator new, beside which no other may be linked, and a hook instead.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NDB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NDB_SANITIZED 1
#endif
#endif

namespace {
thread_local std::size_t allocated = 0;
}  // namespace

namespace ndb::testing {
std::size_t allocated_bytes() { return allocated; }
}  // namespace ndb::testing

#ifdef NDB_SANITIZED

#include <sanitizer/allocator_interface.h>

namespace {
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t size) { allocated += size; }, [](const volatile void*) {});
}  // namespace

#else

namespace {

void* allocate(std::size_t size, std::size_t alignment) {
  allocated += size;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The other forms call these.
void* operator new(std::size_t size) { return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif
