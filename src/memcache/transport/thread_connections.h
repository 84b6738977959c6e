// A thread's connections to all servers, and the round trip over them that every operation is made of.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/mutex.h"
#include "memcache/transport/cluster.h"
#include "memcache/transport/connection.h"

namespace ndb::memcache {

// One key's part in a round trip: first the store, if any, without an answer; then the item is read back, which says
// what has become of it.
struct Command {
  std::size_t server = 0;
  std::string_view name;
  std::optional<Store> store{};
  bool insist = false;    // ask the server even if its breaker is open
  bool answered = false;  // set by round_trip(): the server was heard in full
};

// Thread-compatible.
class ThreadConnections {
 public:
  explicit ThreadConnections(Cluster& cluster);

  // All commands, each server's pipelined and the servers side by side. `on_item` gets each item that exists, with the
  // index of its command. When a server fails, its commands are not `answered`, even if some of their items were
  // delivered. A server whose breaker is open is left out unless one of its commands insists.
  void round_trip(std::span<Command> commands, absl::FunctionRef<void(std::size_t, const Item&)> on_item);

  // Stores, and does not wait for the answer.
  void store_quietly(std::size_t server, std::string_view name, const Store& store);

  // One command on a connection, unless the server's breaker is open: what `use` returns, which is false (nullopt, a
  // sum without an answer) after a failure.
  template <class Use>
  auto with(std::size_t server, Use use) -> decltype(use(std::declval<Connection&>())) {
    if (!cluster_->breaker(server).allow()) return {};
    ++cluster_->counters().round_trips;
    ++cluster_->counters().commands;
    auto result = use(connections_[server]);
    settle(server, static_cast<bool>(result));
    return result;
  }

 private:
  bool send(std::size_t server, std::span<const Command> commands);
  void settle(std::size_t server, bool ok);  // tells the breaker and the counters

  Cluster* cluster_;
  std::deque<Connection> connections_;  // by server
  // Of the round trip under way, by server.
  struct Asked {
    bool sent = false;
    bool insist = false;
    std::vector<std::size_t> commands;
    std::vector<std::string_view> names;
  };
  std::vector<Asked> asked_;
};

// Connections are made when a thread first needs them, stay with it, so that a CAS unique is used on the connection it
// came from, and go to the next new thread when it ends. Thread-safe. Must outlive the calls that use its connections,
// not the threads.
class ConnectionPool {
 public:
  explicit ConnectionPool(Cluster& cluster);
  ~ConnectionPool();
  ThreadConnections& mine();

 private:
  friend struct Seats;
  struct Shared {
    Mutex mutex;
    std::deque<ThreadConnections> all NDB_GUARDED_BY(mutex);
    std::vector<ThreadConnections*> unused NDB_GUARDED_BY(mutex);
  };
  ThreadConnections* take();

  Cluster* cluster_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace ndb::memcache
