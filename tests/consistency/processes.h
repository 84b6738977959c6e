// A process of this program with other arguments, whose end is known by its stdin.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace ndb::consistency {

// Movable; killed by its destructor. Not thread-safe.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments);
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), stdin_(std::exchange(other.stdin_, -1)) {}
  Process& operator=(Process&& other) noexcept;
  ~Process() { kill(); }

  void kill();  // -9
  // Closes its stdin and waits for it to end: returns what went wrong, or nothing. Kills it when `patience` is over.
  std::string finish(std::chrono::milliseconds patience);

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
};

}  // namespace ndb::consistency
