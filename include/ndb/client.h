// ndb::Client: the way to one Datastore and one memcached cluster. One per process; thread-safe; copies share
// everything.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ndb/context.h"
#include "ndb/options.h"
#include "ndb/stats.h"

namespace ndb {

class Channel;

struct ClientOptions {
  // Default: DATASTORE_PROJECT_ID, GOOGLE_CLOUD_PROJECT, DATASTORE_DATASET, in this order; "local" with an emulator or
  // a channel.
  std::optional<std::string> project{};
  std::string database{};    // "" = the default one
  std::string namespace_{};  // of keys that name none

  // Where the Datastore is: a channel (LocalDatastore::channel()), else `emulator_host` (host:port, or
  // https://host:port for one with TLS; default DATASTORE_EMULATOR_HOST), else Cloud Datastore with TLS and
  // application-default credentials.
  std::shared_ptr<Channel> channel{};
  std::optional<std::string> emulator_host{};
  std::string emulator_ca_file{};         // of an https emulator: whose certificates count (PEM); default: the system's
  std::string emulator_token{};           // what `ndb serve --auth-token` asks for; default: NDB_AUTH_TOKEN
  std::optional<std::string> endpoint{};  // another address of the cloud's API, with TLS
  std::optional<int> channels{};          // connections to the Datastore; default: 4 to the cloud, 1 elsewhere

  // Servers of the memcache tier, host:port or a socket's path; the same list in every process. Default:
  // MEMCACHED_HOSTS, separated by spaces or commas. An empty list: no memcache tier.
  std::optional<std::vector<std::string>> memcached_hosts{};
  std::chrono::milliseconds memcache_connect_timeout{50};
  std::chrono::milliseconds memcache_io_timeout{50};
  std::size_t memcache_max_item_size = 1024 * 1024;  // the servers' -I; larger entities are never sent
  RingCheck memcache_ring_check = RingCheck::kWarn;
  // One in so many hits of memcache is looked up in the Datastore some seconds later, to find stale ones; 0 = none.
  std::uint32_t memcache_probe_one_in = 0;

  // Entities that the threads of the process share (`_use_shared_cache`): how many, and how much memory.
  std::size_t shared_cache_entries = 10'000, shared_cache_bytes = std::size_t{64} << 20;

  // What is decided here where neither the call nor a policy has an opinion.
  std::optional<bool> use_cache{}, use_memcache{}, use_datastore{};
  std::optional<bool> use_shared_cache{};  // default: no
  // A safety net of a day or so is good practice. Each key gets up to a tenth less, so that what was cached together
  // does not expire together.
  std::optional<Timeout> memcache_timeout{};
};

// A thread's context, from client.context() to the end of the scope, which waits for the tasklets that were spawned in
// it and flushes. A second one on the same thread is a ContextError.
class ContextScope {
 public:
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope();  // like close(), but errors are logged
  void close();     // ends the scope now; throws what a write met whose future nobody kept
  Context& operator*() const { return *context_; }
  Context* operator->() const { return context_.get(); }

 private:
  friend class Client;
  explicit ContextScope(std::shared_ptr<Context> context);

  std::shared_ptr<Context> context_;
  std::unique_ptr<Future<void>> released_;
};

class Client {
 public:
  // BadArgumentError for an option, or environment variable, that is malformed or missing. Connects lazily.
  explicit Client(ClientOptions options = {});
  Client(const Client&);
  Client& operator=(const Client&);
  ~Client();

  [[nodiscard]] ContextScope context() const;

  const std::string& project() const;
  // What the tiers have done for this client and its copies so far. Thread-safe, and cheap enough for a scrape.
  MemcacheStats memcache_stats() const;    // all 0 without memcached
  DatastoreStats datastore_stats() const;  // RPCs by method and outcome

  class Core;
  const std::shared_ptr<Core>& core() const { return core_; }
  explicit Client(std::shared_ptr<Core> core);

 private:
  std::shared_ptr<Core> core_;
};

// Names the client of threads that open no scope, or none again.
void set_default_client(std::optional<Client> client);

}  // namespace ndb
