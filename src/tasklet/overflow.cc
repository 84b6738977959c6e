#include "tasklet/overflow.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <mutex>

#include "tasklet/fiber.h"

namespace ndb::detail {
namespace {

#define NDB_TEXT2_(x) #x
#define NDB_TEXT_(x) NDB_TEXT2_(x)
constexpr char kMessage[] =
    "ndb: a tasklet has overrun its stack of " NDB_TEXT_(
        NDB_TASKLET_STACK_KIB) " KiB. Recurse less deeply, keep large objects on the heap, or build ndb with a larger "
                               "NDB_TASKLET_STACK_KIB.\n";

struct sigaction before;  // what was installed before on_fault

// Runs on the signal stack, and may call nothing that is not safe in a signal handler.
extern "C" void ndb_on_fault(int number, siginfo_t* info, void* context) {
  const Fiber* const fiber = Fiber::current();
  if (fiber != nullptr && fiber->stack().guards(info->si_addr)) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  }
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
  // Back from here the access is tried again, and the process ends at it. A signal that was sent is sent again.
  sigaction(number, &before, nullptr);
  if (info->si_code <= 0) raise(number);
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = ndb_on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &before);
}

}  // namespace

OverflowWatch::OverflowWatch() {
  if (under_sanitizer()) return;
  static std::once_flag once;
  std::call_once(once, install);
  stack_t present = {};
  if (sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;
  stack_t stack = {};
  stack.ss_size = std::max<std::size_t>(static_cast<std::size_t>(SIGSTKSZ), std::size_t{32} * 1024);
  memory_ = std::make_unique<char[]>(stack.ss_size);
  stack.ss_sp = memory_.get();
  if (sigaltstack(&stack, nullptr) != 0) memory_.reset();
}

OverflowWatch::~OverflowWatch() {
  stack_t present = {};
  if (memory_ == nullptr || sigaltstack(nullptr, &present) != 0 || present.ss_sp != memory_.get()) return;
  stack_t none = {};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

}  // namespace ndb::detail
