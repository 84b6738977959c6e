#include "tools/progress.h"

#include <unistd.h>

#include <iostream>
#include <utility>

namespace ndb::tools {
namespace {

std::chrono::seconds pause(bool terminal) { return std::chrono::seconds(terminal ? 1 : 10); }

}  // namespace

Progress::Progress(std::string verb)
    : verb_(std::move(verb)),
      terminal_(isatty(STDERR_FILENO) == 1),
      next_(std::chrono::steady_clock::now() + pause(terminal_)) {}

void Progress::add(std::uint64_t entities) {
  entities_ += entities;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + pause(terminal_);
  std::cerr << (terminal_ ? "\r" : "") << "ndb: " << verb_ << ' ' << entities_ << " entities" << (terminal_ ? "" : "\n")
            << std::flush;
  open_ = terminal_;
}

void Progress::end() {
  if (std::exchange(open_, false)) std::cerr << '\n';
}

}  // namespace ndb::tools
