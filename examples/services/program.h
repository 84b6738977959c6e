// What the two services share as programs.
#pragma once

#include <ndb/local_datastore.h>
#include <pthread.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

namespace program {

struct Arguments {
  int checks = 0;                              // --check=N
  std::chrono::milliseconds deadline{30'000};  // --deadline=MS, of a request, from its arrival to its answer
};

// The Datastore of a check, and of a service whose environment names none (DATASTORE_EMULATOR_HOST): a local one in
// this process. Otherwise nothing: the environment says where the Datastore and the memcacheds are.
inline std::unique_ptr<ndb::LocalDatastore> own_datastore(const Arguments& arguments) {
  if (arguments.checks == 0 && std::getenv("DATASTORE_EMULATOR_HOST") != nullptr) return nullptr;
  return ndb::LocalDatastore::start();
}

// How long a request took, in the form of HTTP's header Server-Timing.
inline std::string server_timing(std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  return "total;dur=" + std::to_string(time.count());
}

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

// Calls `serve` with the arguments of the command line: true is success.
inline int run(int argc, char** argv, bool (*serve)(const Arguments& arguments)) {
  // Before there are other threads, so that wait_for_signal() alone gets them.
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  constexpr std::string_view kCheck = "--check=", kDeadline = "--deadline=";
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kCheck)) arguments.checks = std::atoi(argv[i] + kCheck.size());
    if (argument.starts_with(kDeadline)) {
      arguments.deadline = std::chrono::milliseconds(std::atoi(argv[i] + kDeadline.size()));
    }
  }
  try {
    return serve(arguments) ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

}  // namespace program
