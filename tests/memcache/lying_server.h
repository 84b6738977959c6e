// A server that answers every command with the bytes that a test gives it, in pieces if need be, and never reads a
// protocol from what it is sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace ndb::memcache {

class LyingServer {
 public:
  // What is sent after a command: `answer`, and then, `repeated` again and again until the client has gone.
  struct Lie {
    std::string answer{};
    std::string repeated{};
    std::chrono::milliseconds pause{0};  // before each repetition
    bool hangs_up = false;               // after the answer
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
