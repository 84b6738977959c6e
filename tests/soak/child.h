// A program of the soak: one of the services, or the Datastore. Killed by its destructor, and when the soak dies.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ndb::soak {

// Not thread-safe.
class Child {
 public:
  // `environment`: NAME=VALUE, beside that of this process. What it prints on stderr goes to the file `log`, after what
  // is there.
  Child(std::vector<std::string> command, std::vector<std::string> environment, const std::string& log);
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // What follows `prefix` in the first line of its stdout that begins with it; empty if there is none before its end.
  std::string line(const std::string& prefix);

  void pause();
  void resume();
  void kill();
  // SIGTERM; then looks 100 times a second whether it has ended, `looks` times at most. Returns what was wrong, or
  // nothing. A look is delayed as the child is when the machine is busy, so this bounds no time of the clock.
  std::string terminate(int looks);

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace ndb::soak
