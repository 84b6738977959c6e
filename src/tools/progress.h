// Progress messages of a long command.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ndb::tools {

// Writes `ndb: exported 12000 entities` to stderr: on a terminal every second, always in the same line; elsewhere every
// ten seconds, in a new line.
class Progress {
 public:
  explicit Progress(std::string verb);  // "exported"
  void add(std::uint64_t entities);
  void end();  // ends the line
  std::uint64_t entities() const { return entities_; }

 private:
  const std::string verb_;
  const bool terminal_;
  bool open_ = false;  // the line has not been ended yet
  std::uint64_t entities_ = 0;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace ndb::tools
