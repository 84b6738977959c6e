// How far a long command is, for the person who waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ndb::tools {

// Writes `ndb: exported 12000 entities` to stderr: every second on a terminal, in one line that changes; elsewhere,
// where lines stay, every ten seconds.
class Progress {
 public:
  explicit Progress(std::string verb);  // "exported"
  void add(std::uint64_t entities);
  void end();  // the line that changes is finished
  std::uint64_t entities() const { return entities_; }

 private:
  const std::string verb_;
  const bool terminal_;
  bool open_ = false;  // the line has no end yet
  std::uint64_t entities_ = 0;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace ndb::tools
