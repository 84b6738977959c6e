// What the two services share as programs.
#pragma once

#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

namespace program {

inline sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

inline void wait_for_signal() {
  const sigset_t signals = stop_signals();
  int signal = 0;
  sigwait(&signals, &signal);
}

// Calls `serve` with the N of --check=N, 0 without it: true is success.
inline int run(int argc, char** argv, bool (*serve)(int checks)) {
  // Before there are other threads, so that wait_for_signal() alone gets them.
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  constexpr std::string_view kCheck = "--check=";
  const std::string_view argument = argc > 1 ? argv[1] : "";
  try {
    return serve(argument.starts_with(kCheck) ? std::atoi(argv[1] + kCheck.size()) : 0) ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

}  // namespace program
