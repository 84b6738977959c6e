#include "tools/serve.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>

#include "base/strings.h"

namespace ndb::tools {

namespace {

// A second signal ends the process without waiting for calls in flight. Acknowledged commits are in the store's log,
// however the process ends.
void end_at_second_signal(const sigset_t& ending, const std::future<void>& stopped) {
  using std::chrono_literals::operator""ms;
  while (stopped.wait_for(0ms) != std::future_status::ready) {
    constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 50'000'000};
    if (sigtimedwait(&ending, nullptr, &kLook) < 0) continue;
    std::cout << "ndb: ended at once by a second signal" << std::endl;
    std::_Exit(1);
  }
}

}  // namespace

void serve(LocalDatastore::Options options) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // inherited by all threads of the server
  // A reader that waited only for the server to start may have closed the pipe.
  std::signal(SIGPIPE, SIG_IGN);

  options.on_shutdown = [] { kill(getpid(), SIGTERM); };
  const std::unique_ptr<LocalDatastore> server = LocalDatastore::start(options);
  const std::string where = options.data_dir.empty() ? "in memory" : cat("in ", options.data_dir);
  // The line that the test helpers of Google's client libraries wait for, on the stream on which they expect it, and
  // for all other readers.
  constexpr const char* kRunning = "Dev App Server is now running";
  std::cout << "ndb: the local Datastore listens on " << server->address() << ", with its data " << where << '\n'
            << "export DATASTORE_EMULATOR_HOST=" << (options.tls_cert.empty() ? "" : "https://") << server->address()
            << '\n'
            << kRunning << std::endl;
  std::cerr << kRunning << std::endl;

  int signal = 0;
  sigwait(&ending, &signal);
  const std::future<void> stopped = std::async(std::launch::async, [&server] { server->shutdown(); });
  end_at_second_signal(ending, stopped);
  std::cout << "ndb: stopped by " << (signal == SIGINT ? "SIGINT" : "SIGTERM") << std::endl;
}

}  // namespace ndb::tools
