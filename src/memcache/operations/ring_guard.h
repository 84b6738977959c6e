// Whether all clients agree on the list of servers: two lists give a key two homes, and what is written to one is stale
// in the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "memcache/transport/cluster.h"

namespace ndb::memcache {

// Every server holds the list of those who use it, under the key `ndbr:ring`, until nobody has confirmed it for some
// minutes; after a change of the list that is how long the old one is remembered. Thread-safe.
class RingGuard {
 public:
  explicit RingGuard(Cluster& cluster) : cluster_(cluster) { check(); }

  // Whether no server was seen to hold another list. Looks again every five minutes; sooner while a server does not
  // answer, and each second while the check keeps this client from its work. One of the callers then waits for it.
  bool agrees();

  // The list that a server remembers, if it does and answers. Changes nothing.
  std::optional<std::string> remembered(std::size_t server) const;
  // What is wrong with a server that remembers this list; nothing if it is this client's.
  std::optional<std::string> objection(std::string_view remembered) const;

 private:
  enum class Answer { kAgrees, kDiffers, kNone };
  void check();
  Answer ask(std::size_t server, const std::string& list);

  Cluster& cluster_;
  std::atomic<Monotonic> next_{Monotonic()};
  std::atomic<bool> agrees_{true};
};

}  // namespace ndb::memcache
