// The `ndb` program, run by a test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ndb::testing {

// Runs `ndb` with some arguments, and reads what it writes to stdout and stderr. Only the given variables configure its
// client, whatever the test's own environment has. `input` is a file.
class Command {
 public:
  explicit Command(std::vector<std::string> arguments, std::vector<std::string> environment = {},
                   const std::string& input = "/dev/null") {
    arguments.insert(arguments.begin(), NDB_COMMAND);
    for (char** variable = environ; *variable != nullptr; ++variable) {
      if (!configures_client(*variable)) environment.emplace_back(*variable);
    }
    std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(open(input.c_str(), O_RDONLY), STDIN_FILENO);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      execve(argv[0], argv.data(), envp.data());
      _exit(127);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~Command() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close_output();
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  std::string line() {
    std::string text;
    for (int c; (c = std::fgetc(output_)) != EOF && c != '\n';) text.push_back(static_cast<char>(c));
    return text;
  }
  std::string rest() {
    std::string text;
    for (int c; output_ != nullptr && (c = std::fgetc(output_)) != EOF;) text.push_back(static_cast<char>(c));
    return text;
  }
  // Closes the reader's end: what the program writes then fails.
  void close_output() {
    if (output_ != nullptr) std::fclose(std::exchange(output_, nullptr));
  }
  void signal(int number) const { ::kill(pid_, number); }
  void pause() const {  // until signal(SIGCONT)
    signal(SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);  // until all its threads have stopped
  }
  // From now on writes beyond this size of a file fail, as on a full disk. The program must be started with SIGXFSZ
  // ignored.
  void limit_files(rlim_t bytes) const {
    const rlimit limit{bytes, bytes};
    EXPECT_EQ(prlimit(pid_, RLIMIT_FSIZE, &limit, nullptr), 0);
  }
  int exit_code() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  static bool configures_client(std::string_view variable) {
    return variable.starts_with("DATASTORE_") || variable.starts_with("GOOGLE_") ||
           variable.starts_with("MEMCACHED_HOSTS=") || variable.starts_with("NDB_AUTH_TOKEN=");
  }
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

}  // namespace ndb::testing
