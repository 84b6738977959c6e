// For tests of programs that fork: each is a process of its own, and looks at what a child of it does.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <iostream>
#include <string>

#include "ndb/error.h"

namespace ndb::testing {

// The result of `body` in a child: "works", or the error. SIGALRM ends a child that hangs.
inline std::string in_child(const std::function<void()>& body) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    std::string result = "works";
    try {
      body();
    } catch (const ndb::ContextError& error) {
      result = error.what();
    } catch (const std::exception& error) {
      result = std::string("another error: ") + error.what();
    }
    [[maybe_unused]] const auto written = write(ends[1], result.data(), result.size());
    _exit(0);
  }
  close(ends[1]);
  std::string result(4096, '\0');
  const auto size = read(ends[0], result.data(), result.size());
  close(ends[0]);
  result.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status)) : result;
}

// Fails the process unless what is seen fits; for use in a death test.
inline void expect(bool right, const std::string& seen) {
  if (right) return;
  std::cerr << "seen: " << seen << std::endl;
  _exit(1);
}
inline void expect_error(const std::string& seen) {
  expect(seen.find("fork()") != std::string::npos && seen.find("pthread_atfork") != std::string::npos, seen);
}

inline void run(const std::function<void()>& scenario) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        alarm(120);
        scenario();
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace ndb::testing
