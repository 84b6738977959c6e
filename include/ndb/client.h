// ndb::Client: the way to one Datastore and one memcached cluster. One per process; thread-safe; copies share
// everything.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ndb/context.h"
#include "ndb/options.h"

namespace ndb {

class Channel;

struct ClientOptions {
  // Default: DATASTORE_PROJECT_ID, GOOGLE_CLOUD_PROJECT, DATASTORE_DATASET, in this order; "local" with an emulator or
  // a channel.
  std::optional<std::string> project{};
  std::string database{};    // "" = the default one
  std::string namespace_{};  // of keys that name none

  // Where the Datastore is: a channel (LocalDatastore::channel()), else `emulator_host` (plaintext; default
  // DATASTORE_EMULATOR_HOST), else Cloud Datastore with TLS and application-default credentials.
  std::shared_ptr<Channel> channel{};
  std::optional<std::string> emulator_host{};
  std::optional<std::string> endpoint{};  // another address of the cloud's API, with TLS
  std::optional<int> channels{};          // connections to the Datastore; default: 4 to the cloud, 1 elsewhere

  // Servers of the memcache tier, host:port or a socket's path; the same list in every process. Default:
  // MEMCACHED_HOSTS, separated by spaces or commas. An empty list: no memcache tier.
  std::optional<std::vector<std::string>> memcached_hosts{};
  std::chrono::milliseconds memcache_connect_timeout{50};
  std::chrono::milliseconds memcache_io_timeout{50};
  std::size_t memcache_max_item_size = 1024 * 1024;  // the servers' -I; larger entities are never sent
  RingCheck memcache_ring_check = RingCheck::kWarn;

  // What is decided here where neither the call nor a policy has an opinion.
  std::optional<bool> use_cache{}, use_memcache{}, use_datastore{};
  std::optional<Timeout> memcache_timeout{};  // a safety net of a day or so is good practice
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
  const Partition* partition_before_ = nullptr;
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

  class Core;
  const std::shared_ptr<Core>& core() const { return core_; }
  explicit Client(std::shared_ptr<Core> core);

 private:
  std::shared_ptr<Core> core_;
};

// Names the client of threads that open no scope, or none again.
void set_default_client(std::optional<Client> client);

}  // namespace ndb
