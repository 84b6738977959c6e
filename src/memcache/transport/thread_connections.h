// A thread's connections to all servers, and the round trip that every operation consists of.
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
#include "memcache/time_limit.h"
#include "memcache/transport/cluster.h"
#include "memcache/transport/connection.h"
#include "observe/tracer.h"

namespace ndb::memcache {

// One key's part in a round trip: first the store, if any, without an answer; then a read of the item, which shows the
// result of the store.
struct Command {
  std::size_t server = 0;
  std::string_view name;
  std::optional<Store> store{};
  bool insist = false;    // ask the server even if its breaker is open
  bool answered = false;  // set by round_trip(): the server's answer was complete
};

// Thread-compatible.
class ThreadConnections {
 public:
  explicit ThreadConnections(Cluster& cluster);

  // Executes all commands, each server's pipelined and the servers in parallel. `on_item` gets each item that exists,
  // with the index of its command. If a server fails, its commands are not `answered`, even if some of their items were
  // delivered. A server whose breaker is open is skipped unless one of its commands insists; all servers are when the
  // TimeLimit of the thread is over.
  void round_trip(std::span<Command> commands, absl::FunctionRef<void(std::size_t, const Item&)> on_item);

  // Sends a store and does not wait for the answer.
  void store_quietly(std::size_t server, std::string_view name, const Store& store);

  // Executes one command on a connection, unless the server's breaker is open: returns what `use` returns, which is
  // false (nullopt, a sum without an answer) after a failure.
  template <class Use>
  auto with(std::size_t server, Use use) -> decltype(use(std::declval<Connection&>())) {
    if (TimeLimit::over() || !cluster_->breaker(server).allow()) return {};
    ++cluster_->counters().round_trips;
    ++cluster_->counters().commands;
    if (cluster_->config().tracer != nullptr) begin_span(server, "command", 1, 0);
    auto result = use(connections_[server]);
    settle(server, static_cast<bool>(result), {});
    return result;
  }

 private:
  bool send(std::size_t server, std::span<const Command> commands);
  // What an observer learns of a batch.
  struct Received {
    std::size_t items = 0;
    std::size_t bytes = 0;
  };
  void begin_span(std::size_t server, std::string_view name, std::size_t keys, std::size_t bytes);
  void begin_span(std::size_t server, std::span<const Command> commands);
  void end_span(std::size_t server, bool ok, const Received& received);
  // Tells the breaker, the counters and the observer.
  void settle(std::size_t server, bool ok, const Received& received);

  Cluster* cluster_;
  std::deque<Connection> connections_;  // indexed by server
  // For the current round trip, indexed by server.
  struct Asked {
    bool sent = false;
    bool insist = false;
    std::vector<std::size_t> commands;
    std::vector<std::string_view> names;
    observe::Span span;  // also of a single command
  };
  std::vector<Asked> asked_;
};

// Makes connections when a thread first needs them. They stay with the thread, so that a CAS unique is used on the
// connection it came from, and are reused by another thread after its end. Thread-safe. Must outlive the calls that use
// its connections, but not the threads.
class ConnectionPool {
 public:
  explicit ConnectionPool(Cluster& cluster);
  ~ConnectionPool();
  ThreadConnections& mine();

 private:
  friend struct ConnectionsOfThread;
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
