// Reports a tasklet that overruns its stack: the access to the guard area raises SIGSEGV, and the handler writes a line
// to stderr before the process dies.
#pragma once

#include <memory>

namespace ndb::detail {

// One per thread that has tasklets. The first one of the process installs a handler for SIGSEGV, which then calls the
// previous handler in any case. Each gives its thread a signal stack, unless it has one. Under sanitizers, which have
// handlers of their own, this does nothing.
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
