// A real memcached for a test, on a free loopback port. It ends with the object, or when the test program dies.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ndb::testing {

class MemcachedServer {
 public:
  // Returns when the server accepts connections; ends the program with a message if memcached can't be started.
  // `arguments` follow `-o temporary_ttl=400`, whose options they can override.
  explicit MemcachedServer(std::vector<std::string> arguments = {});
  ~MemcachedServer();
  MemcachedServer(const MemcachedServer&) = delete;
  MemcachedServer& operator=(const MemcachedServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const;  // 127.0.0.1:port

  void kill();     // at once, with all its items, as in a crash
  void restart();  // kill, and start again on the same port
  void pause();    // accepts connections, answers nothing
  void resume();

  // Sends a command of memcached's text protocol on a connection of its own; returns the answer up to the line that
  // ends it.
  std::string command(const std::string& line) const;
  // A counter of the `stats` command.
  std::int64_t stat(const std::string& name) const;

 private:
  bool start();

  std::vector<std::string> arguments_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// A loopback port on which no program listens.
std::uint16_t free_port();

// The answer of the memcached on this loopback port to a command, on a connection of its own.
std::string memcached_command(std::uint16_t port, const std::string& line);

}  // namespace ndb::testing
