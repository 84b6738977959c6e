// Programs that the demo starts. They end when the demo ends, even if it crashes.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace demo {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// The next line without its end; nothing at the end of the file.
std::optional<std::string> read_line(std::FILE* file);

class Process {
 public:
  struct Options {
    bool pipes = false;      // in() and out(), instead of the demo's own
    bool as_nobody = false;  // when the demo runs as root
  };
  // `command` is a program, which is looked up in PATH, and its arguments. Throws std::runtime_error if there is no
  // such program.
  Process(std::vector<std::string> command, const Options& options);
  ~Process();  // kills it if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  std::FILE* in() const { return in_.get(); }    // the program's standard input
  std::FILE* out() const { return out_.get(); }  // the program's standard output
  bool has_ended();

 private:
  pid_t pid_ = -1;
  File in_, out_;
};

// memcached on a free loopback port.
class Memcached {
 public:
  Memcached();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  pid_t pid() const { return process_->pid(); }

 private:
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace demo
