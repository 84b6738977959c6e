#include "tools/serve.h"

#include <unistd.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <string>

#include "base/strings.h"

namespace ndb::tools {

void serve(LocalDatastore::Options options) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // inherited by all threads of the server

  options.on_shutdown = [] { kill(getpid(), SIGTERM); };
  const std::unique_ptr<LocalDatastore> server = LocalDatastore::start(options);
  const std::string where = options.data_dir.empty() ? "in memory" : cat("in ", options.data_dir);
  // What the test helpers of Google's client libraries wait for, where they wait for it, and for everybody else.
  constexpr const char* kRunning = "Dev App Server is now running";
  std::cout << "ndb: the local Datastore listens on " << server->address() << ", with its data " << where << '\n'
            << "export DATASTORE_EMULATOR_HOST=" << (options.tls_cert.empty() ? "" : "https://") << server->address()
            << '\n'
            << kRunning << std::endl;
  std::cerr << kRunning << std::endl;

  int signal = 0;
  sigwait(&ending, &signal);
  server->shutdown();
  std::cout << "ndb: stopped by " << (signal == SIGINT ? "SIGINT" : "SIGTERM") << std::endl;
}

}  // namespace ndb::tools
