// A program that runs during a benchmark.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace ndb::benchmarks {

// The constructor starts it, the destructor kills it. Its output is read here; a benchmark ends if it can't start one.
class Process {
 public:
  explicit Process(std::vector<std::string> command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string line();  // without its end
  double resident_mebibytes() const;

 private:
  pid_t pid_ = 0;
  std::FILE* output_ = nullptr;
};

}  // namespace ndb::benchmarks
