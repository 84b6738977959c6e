// Checks that all clients use the same list of servers: two lists would give a key two homes, and a write to one would
// leave the other stale.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "memcache/transport/cluster.h"

namespace ndb::memcache {

// Every server holds the list of its clients under the key `ndbr:ring`, until none of them has confirmed it for some
// minutes. So after a change of the list, the old one is remembered for that long. Thread-safe.
class RingGuard {
 public:
  explicit RingGuard(Cluster& cluster) : cluster_(cluster) { check(); }

  // Whether no server holds another list, as far as is known. Checks again every five minutes; more often while a
  // server does not answer, and every second while the check keeps this client from its work. One caller waits for the
  // check.
  bool agrees();

  // The list that a server remembers, if it remembers one and answers. Changes nothing.
  std::optional<std::string> remembered(std::size_t server) const;
  // The objection to a server that remembers this list; nothing if the list is this client's.
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
