// A TCP proxy in front of one server that injects network faults.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "consistency/plan.h"

struct pollfd;  // NOLINT(readability-identifier-naming): of poll(2)

namespace ndb::consistency {

// How a proxy treats bytes. `one_in`: one of so many chunks is affected. Every chunk is delayed by a random part of
// `pause`, whatever the fault.
struct Regime {
  Fault fault = Fault::kNone;
  std::uint32_t one_in = 1;
  std::chrono::microseconds longest_delay{0};
  std::chrono::microseconds pause{0};
};

// Listens on a free port of the loopback interface and has a thread of its own. Thread-safe.
class FaultProxy {
 public:
  FaultProxy(std::uint16_t upstream, std::uint64_t seed);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string address() const;
  // Applies from now on. Connections that the last regime left half-open are cut.
  void set(const Regime& regime);
  std::uint64_t injected(Fault fault) const { return injected_[static_cast<std::size_t>(fault)]; }

 private:
  class Link;

  void run();
  int wait(std::vector<pollfd>& polled) const;
  void accept_link();
  void apply_regime();
  void pass(Link& link, std::size_t side, std::string bytes);
  // Never flips a bit of a digit: in a command line, digits are uniques and times to live. One that is changed into
  // another valid one is not a lost command but a wrong one, which no checksum covers and the protocol does not
  // survive.
  void flip_bit(std::string& bytes);

  const std::uint16_t upstream_;
  int listener_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;
  Mutex mutex_;
  Regime next_ NDB_GUARDED_BY(mutex_);
  bool stop_ NDB_GUARDED_BY(mutex_) = false;
  bool changed_ NDB_GUARDED_BY(mutex_) = false;
  std::array<std::atomic<std::uint64_t>, kFaults> injected_{};

  // Of the thread.
  Regime regime_;
  std::mt19937_64 random_;
  std::list<Link> links_;
  std::thread thread_;
};

}  // namespace ndb::consistency
