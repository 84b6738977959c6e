#include "memcache/transport/thread_connections.h"

#include <cxxabi.h>

#include <algorithm>
#include <memory>
#include <utility>

// Identifies this library when something is registered with the C++ runtime.
extern "C" void* __dso_handle;  // NOLINT(bugprone-reserved-identifier)

namespace ndb::memcache {

ThreadConnections::ThreadConnections(Cluster& cluster) : cluster_(&cluster), asked_(cluster.size()) {
  for (std::size_t server = 0; server < cluster.size(); ++server) {
    connections_.emplace_back(cluster.address(server), cluster.config());
  }
}

void ThreadConnections::begin_span(std::size_t server, std::string_view name, std::size_t keys, std::size_t bytes) {
  const std::string address = cluster_->address(server).to_string();
  SpanBegin span{.kind = SpanKind::kMemcacheBatch, .name = name, .server = address, .keys = keys, .bytes = bytes};
  asked_[server].span.begin(*cluster_->config().tracer, span);
}

void ThreadConnections::begin_span(std::size_t server, std::span<const Command> commands) {
  std::size_t bytes = 0;
  for (const std::size_t i : asked_[server].commands) bytes += commands[i].store ? commands[i].store->body.size() : 0;
  begin_span(server, "read", asked_[server].commands.size(), bytes);
}

void ThreadConnections::end_span(std::size_t server, bool ok, const Received& received) {
  asked_[server].span.end(ok ? absl::StatusCode::kOk : absl::StatusCode::kUnavailable,
                          ok ? "" : "the server did not answer completely", received.items, received.bytes);
}

void ThreadConnections::settle(std::size_t server, bool ok, const Received& received) {
  end_span(server, ok, received);
  Breaker& breaker = cluster_->breaker(server);
  if (ok) return breaker.succeeded();
  ++cluster_->counters().errors;
  const Connection& connection = connections_[server];
  switch (connection.blame()) {
    case Connection::Blame::kServer:
      return breaker.failed();
    case Connection::Blame::kNothing:
      return breaker.undecided();
    case Connection::Blame::kCutShort:
      return breaker.cut_short(connection.waited_since(), Clock::system().monotonic(), cluster_->config().io_timeout);
  }
}

bool ThreadConnections::send(std::size_t server, std::span<const Command> commands) {
  Connection& connection = connections_[server];
  Asked& asked = asked_[server];
  for (const std::size_t i : asked.commands) {
    if (commands[i].store && !connection.store_quietly(commands[i].name, *commands[i].store)) return false;
  }
  return connection.ask(asked.names);
}

void ThreadConnections::round_trip(std::span<Command> commands,
                                   absl::FunctionRef<void(std::size_t, const Item&)> on_item) {
  for (Asked& asked : asked_) {
    asked.sent = asked.insist = false;
    asked.commands.clear();
    asked.names.clear();
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    Asked& asked = asked_[commands[i].server];
    asked.commands.push_back(i);
    asked.names.push_back(commands[i].name);
    asked.insist |= commands[i].insist;
  }

  bool any = false;
  for (std::size_t server = 0; server < asked_.size() && !TimeLimit::over(); ++server) {
    Asked& asked = asked_[server];
    if (asked.commands.empty() || !(cluster_->breaker(server).allow() || asked.insist)) continue;
    any = true;
    if (cluster_->config().tracer != nullptr) begin_span(server, commands);
    asked.sent = send(server, commands);
    if (!asked.sent) settle(server, false, {});
  }
  for (std::size_t server = 0; server < asked_.size(); ++server) {
    Asked& asked = asked_[server];
    if (!asked.sent) continue;
    Received received;
    const bool ok = connections_[server].fetch(asked.names, [&](std::size_t i, const Item& item) {
      ++received.items;
      received.bytes += item.body.size();
      on_item(asked.commands[i], item);
    });
    settle(server, ok, received);
    for (const std::size_t i : asked.commands) commands[i].answered = ok;
    cluster_->counters().commands += asked.commands.size();
  }
  if (any) ++cluster_->counters().round_trips;
}

void ThreadConnections::store_quietly(std::size_t server, std::string_view name, const Store& store) {
  Breaker& breaker = cluster_->breaker(server);
  if (TimeLimit::over() || !breaker.allow()) return;
  Connection& connection = connections_[server];
  if (cluster_->config().tracer != nullptr) begin_span(server, "store", 1, store.body.size());
  if (!connection.store_quietly(name, store) || !connection.flush()) return settle(server, false, {});
  end_span(server, true, {});
  breaker.undecided();
  ++cluster_->counters().commands;
}

// The connections of this thread, for each pool that it has used.
struct ConnectionsOfThread {
  struct OfPool {
    std::weak_ptr<ConnectionPool::Shared> pool;
    const ConnectionPool::Shared* id;
    ThreadConnections* connections;
  };
  std::vector<OfPool> pools;

  ThreadConnections* find(const ConnectionPool::Shared* id) const {
    for (const OfPool& of : pools) {
      // A pool may have the address of an earlier one that was destroyed.
      if (of.id == id && !of.pool.expired()) return of.connections;
    }
    return nullptr;
  }
  void add(const std::shared_ptr<ConnectionPool::Shared>& pool, ThreadConnections* connections) {
    std::erase_if(pools, [](const OfPool& of) { return of.pool.expired(); });
    pools.push_back({pool, pool.get(), connections});
  }
  ~ConnectionsOfThread() {
    for (const OfPool& of : pools) {
      const std::shared_ptr<ConnectionPool::Shared> pool = of.pool.lock();
      if (pool == nullptr) continue;
      MutexLock hold(pool->mutex);
      pool->unused.push_back(of.connections);
    }
  }
};

namespace {

// Trivially destructible, so that destructors of static objects, which run after those of thread_local objects, may
// still use memcache.
thread_local ConnectionsOfThread* connections_of_thread = nullptr;

ConnectionsOfThread& connections_of_this_thread() {
  if (connections_of_thread == nullptr) {
    connections_of_thread = std::make_unique<ConnectionsOfThread>().release();
    // Not ended by the destructor of a thread_local object, which runs once: the end of the thread's event loop may run
    // later and use memcache again.
    abi::__cxa_thread_atexit(
        [](void* connections) {
          const std::unique_ptr<ConnectionsOfThread> ended(static_cast<ConnectionsOfThread*>(connections));
          connections_of_thread = nullptr;
        },
        connections_of_thread, static_cast<void*>(&__dso_handle));
  }
  return *connections_of_thread;
}

}  // namespace

ConnectionPool::ConnectionPool(Cluster& cluster) : cluster_(&cluster), shared_(std::make_shared<Shared>()) {}
ConnectionPool::~ConnectionPool() = default;

ThreadConnections* ConnectionPool::take() {
  MutexLock hold(shared_->mutex);
  if (shared_->unused.empty()) return &shared_->all.emplace_back(*cluster_);
  ThreadConnections* const connections = shared_->unused.back();
  shared_->unused.pop_back();
  return connections;
}

ThreadConnections& ConnectionPool::mine() {
  ConnectionsOfThread& of_thread = connections_of_this_thread();
  if (ThreadConnections* const connections = of_thread.find(shared_.get()); connections != nullptr) return *connections;
  ThreadConnections* const connections = take();
  of_thread.add(shared_, connections);
  return *connections;
}

}  // namespace ndb::memcache
