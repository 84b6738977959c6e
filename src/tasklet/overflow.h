// What happens when a tasklet overruns its stack: the access to the guard area raises SIGSEGV, and before the process
// dies of it, a line on stderr says why.
#pragma once

#include <memory>

namespace ndb::detail {

// One per thread that has tasklets. The first one of the process installs a handler for SIGSEGV, which calls the one
// that was there before for everything else, and for an overrun too, after the message. Each gives its thread a stack
// for signals, unless it has one. Sanitizers have handlers of their own: with them this does nothing.
class OverflowWatch {
 public:
  OverflowWatch();
  ~OverflowWatch();
  OverflowWatch(const OverflowWatch&) = delete;
  OverflowWatch& operator=(const OverflowWatch&) = delete;

 private:
  std::unique_ptr<char[]> memory_;  // of the signal stack
};

}  // namespace ndb::detail
