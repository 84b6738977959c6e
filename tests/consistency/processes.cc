#include "consistency/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/strings.h"

extern char** environ;

namespace ndb::consistency {

Process::Process(const std::vector<std::string>& arguments) {
  std::vector<std::string> strings{"/proc/self/exe"};
  strings.insert(strings.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(strings.size() + 1);
  for (std::string& string : strings) argv.push_back(string.data());
  argv.push_back(nullptr);

  std::array<int, 2> ends{};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (pipe2(ends.data(), O_CLOEXEC) != 0 || posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO) != 0 ||
      posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    std::perror("a worker can't be started");
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  stdin_ = ends[1];
}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(stdin_, other.stdin_);
  return *this;
}

void Process::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(std::exchange(stdin_, -1));
  pid_ = -1;
}

std::string Process::finish(std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kLook{5};
  close(std::exchange(stdin_, -1));
  int status = 0;
  for (; waitpid(pid_, &status, WNOHANG) == 0; patience -= kLook) {
    if (patience.count() <= 0) {
      kill();
      return "a worker does not end";
    }
    poll(nullptr, 0, static_cast<int>(kLook.count()));
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return cat("a worker died of signal ", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : cat("a worker ended with status ", WEXITSTATUS(status));
}

}  // namespace ndb::consistency
