// A stream socket whose operations are all bounded by a deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "memcache/time_limit.h"
#include "memcache/transport/address.h"

namespace ndb::memcache {

// The time by which an exchange must have ended: `timeout` from its start, and as much again for every kStep bytes that
// were transferred since, but no later than the thread's TimeLimit. So a large answer gets more time, while a peer that
// sends single bytes, or never stops, does not. Uses the machine's clock, because it measures the network.
class Deadline {
 public:
  static constexpr std::size_t kStep = 64 * 1024;

  explicit Deadline(std::chrono::milliseconds timeout)
      : timeout_(timeout), end_(Clock::system().monotonic() + timeout), latest_(TimeLimit::current()) {}
  void moved(std::size_t bytes);
  std::chrono::milliseconds left() const;              // rounded up; 0 = over
  Monotonic since() const { return end_ - timeout_; }  // its start, or when it was last extended

 private:
  std::chrono::milliseconds timeout_;
  Monotonic end_;
  Monotonic latest_;
  std::size_t moved_ = 0;  // since end_ was last extended
};

enum class Transfer : std::uint8_t { kDone, kTimedOut, kBroken };

// Thread-compatible.
class Socket {
 public:
  Socket() = default;
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool is_open() const { return fd_ >= 0; }
  void close();

  // Connects to the first of the host's addresses that answers. The lookup of a name counts against the time.
  Transfer connect(const Address& address, std::chrono::milliseconds timeout);
  Transfer send(std::string_view bytes, Deadline& deadline);  // all of them
  // Receives what has arrived, at least one byte. The caller decides whether that extends the deadline.
  Transfer receive(std::span<char> into, const Deadline& deadline, std::size_t& received);

 private:
  Transfer connect(const void* address, unsigned size, int family, const Deadline& deadline);
  Transfer wait(short events, const Deadline& deadline) const;

  int fd_ = -1;
};

}  // namespace ndb::memcache
