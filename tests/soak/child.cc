#include "soak/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/strings.h"

namespace ndb::soak {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> all;
  all.reserve(strings.size() + 1);
  for (std::string& string : strings) all.push_back(string.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

Child::Child(std::vector<std::string> command, std::vector<std::string> environment, const std::string& log) {
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  const std::vector<char*> argv = pointers(command), envp = pointers(environment);
  const int errors = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::array<int, 2> ends{};
  if (errors < 0 || pipe2(ends.data(), O_CLOEXEC) != 0) {
    std::perror(log.c_str());
    std::abort();
  }
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(ends[1]);
  close(errors);
  output_ = ends[0];
}

std::string Child::line(const std::string& prefix) {
  std::string text;
  for (char c; read(output_, &c, 1) == 1;) {
    if (c != '\n') {
      text.push_back(c);
    } else if (text.starts_with(prefix)) {
      return text.substr(prefix.size());
    } else {
      text.clear();
    }
  }
  return {};
}

void Child::pause() {
  ::kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);
}

void Child::resume() { ::kill(pid_, SIGCONT); }

void Child::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(std::exchange(pid_, -1), nullptr, 0);
  close(output_);
}

std::string Child::terminate(int looks) {
  ::kill(pid_, SIGTERM);
  int status = 0;
  for (; waitpid(pid_, &status, WNOHANG) == 0; --looks) {
    if (looks <= 0) {
      kill();
      return "it did not end after SIGTERM";
    }
    poll(nullptr, 0, 10);
  }
  pid_ = -1;
  close(output_);
  if (WIFSIGNALED(status)) return cat("it died of signal ", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : cat("it ended with status ", WEXITSTATUS(status));
}

}  // namespace ndb::soak
