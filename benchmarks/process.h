// A program that runs beside a benchmark.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace ndb::benchmarks {

// Started by the constructor, killed by the destructor. What it writes is read here; a benchmark that can't start one
// ends.
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
