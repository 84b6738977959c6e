// ndb::Client: the connections to one Datastore and one memcached cluster. One per process; thread-safe; copies share
// everything.
//
// fork(): threads and connections exist in the parent only. A client that was not used before fork() works in both
// processes. One that was used goes on working in the parent; in the child every call on it, on its contexts and on its
// SharedCaches throws ContextError. If the parent had gRPC running, this holds for every client in the child. So fork
// first: the children of a pre-forking server use a client that was made but not used before, or make their own. A
// place to make one is pthread_atfork().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ndb/context.h"
#include "ndb/context_options.h"
#include "ndb/observer.h"
#include "ndb/options.h"
#include "ndb/stats.h"

namespace ndb {

class Channel;

namespace detail {
struct ClientAccess;
}

// Where the tiers are, and what holds for all contexts of a client.
struct ClientOptions {
  // Default: DATASTORE_PROJECT_ID, GOOGLE_CLOUD_PROJECT, DATASTORE_DATASET, in this order; "local" with an emulator or
  // a channel.
  std::optional<std::string> project{};
  // The database and namespace of keys that name none, in contexts whose options set none. "" = the default one.
  std::string database{};
  std::string namespace_{};

  // Where the Datastore is: a channel (LocalDatastore::channel()), else `emulator_host` (host:port, or
  // https://host:port for one with TLS; default DATASTORE_EMULATOR_HOST), else Cloud Datastore with TLS and
  // application-default credentials.
  std::shared_ptr<Channel> channel{};
  std::optional<std::string> emulator_host{};
  std::string emulator_ca_file{};         // CA certificates of an https emulator (a PEM file); default: the system's
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

  // Bounds of each context's own cache; see Context::set_cache_limit().
  std::size_t cache_entries = SIZE_MAX;
  std::size_t cache_bytes = SIZE_MAX;

  std::size_t shared_cache_entries = 10'000;  // entities that the threads of the process share (`_use_shared_cache`)
  std::size_t shared_cache_bytes = std::size_t{64} << 20;  // the memory that they may take

  // The deadline of contexts whose options name none; default: none. Threads without a scope have none in any case.
  std::optional<std::chrono::nanoseconds> context_deadline{};

  // Whether each tier is used if neither the call nor a policy has an opinion; default: yes.
  std::optional<bool> use_cache{}, use_memcache{}, use_datastore{};
  std::optional<bool> use_shared_cache{};  // default: no
  // The time-out of memcache; a day or so is a good safety net. Each key gets up to a tenth less, so that entities that
  // were cached together do not expire together.
  std::optional<Timeout> memcache_timeout{};

  // Sees every RPC and every batch to memcached, for traces; default: none, which costs nothing. Clients may share one.
  std::shared_ptr<Observer> observer{};
};

// Keeps a context current, from client.context() to the end of the scope, which waits for the tasklets that were
// spawned in it and flushes.
//
// Scopes nest. The scope that was opened last is current, whichever client opened it, also within a transaction, whose
// context it does not share. When it ends, the one before it is current again. A scope that ends before an inner one
// flushes like any other, and the inner one stays current.
//
// A scope ends where it was opened: in the same tasklet, on the main stack of its thread, or in the function of the
// same transaction; it may be moved within its thread. One that was moved out of a tasklet or function that has ended
// is not current anywhere, and may end anywhere on its thread. One that is destroyed elsewhere logs an error and ends
// when its thread next opens or ends a scope, or ends itself.
//
// A scope that is still open when its thread ends, in a static or thread_local object, ends with the thread. It then
// waits at most 30 seconds for what is under way, and logs errors.
class ContextScope {
 public:
  // Moving transfers the scope; the scope that is assigned to ends first, as by the destructor. A scope that was moved
  // from counts as ended.
  ContextScope(ContextScope&& other) noexcept = default;
  ContextScope& operator=(ContextScope&& other) noexcept;
  // Like close(), but errors are logged.
  ~ContextScope();
  // Ends the scope now; throws the first error of a write whose future nobody kept. The second call does nothing.
  // ContextError on another thread, or where the scope can't end: it then goes on.
  void close();
  // The context. The scope must not have ended.
  Context& operator*() const { return *context_; }
  Context* operator->() const { return context_.get(); }

 private:
  friend class Client;
  explicit ContextScope(std::shared_ptr<Context> context);
  void end() noexcept;

  std::shared_ptr<Context> context_;
};

// Connections, credentials and defaults; makes contexts. Thread-safe.
class Client {
 public:
  // BadArgumentError for an option, or environment variable, that is malformed or missing; UNAUTHENTICATED for a file
  // of credentials that can't be read. Connects when it is first used, and only then starts threads; that there are no
  // credentials for the cloud shows in the first call.
  explicit Client(ClientOptions options = {});
  Client(const Client&);
  Client& operator=(const Client&);
  // The last copy cancels what is under way, and waits until it has ended.
  ~Client();

  // Opens a scope, within those that are open. BadArgumentError for an option that makes no sense; ContextError if the
  // client was used before fork().
  [[nodiscard]] ContextScope context(const ContextOptions& options = {}) const;

  // For a process that is about to stop. From now on no context can be opened (ContextError). Open contexts may go on
  // for four fifths of `time`; then they are cancelled as by Context::cancel(), and have the rest of it to end. Returns
  // the threads whose contexts did not end, each once, and logs them; they get Cancelled as soon as they call or wait.
  // Does not wait for contexts of the calling thread. Afterwards every call of the client fails. Thread-safe.
  std::vector<std::thread::id> shutdown(std::chrono::milliseconds time);

  // The project of keys that name none.
  const std::string& project() const;
  // What the tiers have done for this client and its copies so far. Thread-safe, and cheap enough for a scrape.
  // ContextError if the client was used before fork().
  MemcacheStats memcache_stats() const;    // all 0 without memcached
  DatastoreStats datastore_stats() const;  // RPCs by method and outcome

  class Core;  // the framework's

 private:
  friend struct detail::ClientAccess;
  explicit Client(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
};

// Sets the client of threads that open no scope; nullopt: none. Thread-safe. Such a thread has a context of its own,
// which is emptied when the outermost call on it ends. That call also waits for async writes, those of raw memcache
// too, because nothing would send them later; put_multi_async() and the like are one call and one batch. Async reads
// are sent when somebody waits, as always. exit() and the end of main() set it to none.
void set_default_client(std::optional<Client> client);

}  // namespace ndb
