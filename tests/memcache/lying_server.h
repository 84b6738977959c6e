// A server that answers every command with bytes from the test, in pieces if necessary, without parsing what it
// receives.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace ndb::memcache {

class LyingServer {
 public:
  // What it sends after a command: `answer`, and then `repeated` again and again until the client has disconnected.
  struct Lie {
    std::string answer{};
    std::string repeated{};
    std::chrono::milliseconds pause{0};  // before each repetition
    bool hangs_up = false;               // after the answer
    std::function<void()> before{};      // the answer to each command; any thread
  };

  explicit LyingServer(Lie lie);
  ~LyingServer();
  LyingServer(const LyingServer&) = delete;
  LyingServer& operator=(const LyingServer&) = delete;

  std::string address() const;

 private:
  void accept_all();
  void serve(int fd);

  const Lie lie_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  Mutex mutex_;
  bool over_ NDB_GUARDED_BY(mutex_) = false;
  std::vector<int> open_ NDB_GUARDED_BY(mutex_);
  std::vector<std::thread> sessions_;  // of the acceptor, until it has ended
  std::thread acceptor_;
};

}  // namespace ndb::memcache
