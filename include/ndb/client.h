// ndb::Client: the way to one Datastore and one memcached cluster. One per process; thread-safe; copies share
// everything.
//
// fork(): threads and connections exist in the parent only. A client that was not used before fork() works in both
// processes. One that was used goes on in the parent, and in the child every call on it, on its contexts and on its
// SharedCaches throws ContextError; so does every client in a child whose parent had gRPC running, whoever used it. So
// fork first: the children of a pre-forking server use a client that was made but not used before, or make their own,
// for which pthread_atfork() is the place.
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
  // Where contexts work whose options do not say so: the parts of keys that name none. "" = the default one.
  std::string database{};
  std::string namespace_{};

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

  // Bounds of each context's own cache; see Context::set_cache_limit().
  std::size_t cache_entries = SIZE_MAX;
  std::size_t cache_bytes = SIZE_MAX;

  std::size_t shared_cache_entries = 10'000;  // entities that the threads of the process share (`_use_shared_cache`)
  std::size_t shared_cache_bytes = std::size_t{64} << 20;  // the memory that they may take

  // The deadline of contexts whose options name none; default: none. Threads without a scope have none in any case.
  std::optional<std::chrono::nanoseconds> context_deadline{};

  // What is decided here where neither the call nor a policy has an opinion.
  std::optional<bool> use_cache{}, use_memcache{}, use_datastore{};
  std::optional<bool> use_shared_cache{};  // default: no
  // A safety net of a day or so is good practice. Each key gets up to a tenth less, so that what was cached together
  // does not expire together.
  std::optional<Timeout> memcache_timeout{};
};

// Keeps a context current, from client.context() to the end of the scope, which waits for the tasklets that were
// spawned in it and flushes.
//
// Scopes nest: the one that was opened last is current, whatever it is of and also within a transaction, whose context
// it does not share; when it ends, what was current before is so again. One that ends before an inner one flushes like
// any other, and the inner one stays current.
//
// A scope belongs to the tasklet in which it was opened, or to the main stack of its thread, or to the function of a
// transaction, and ends there; it may be moved within its thread. One that was moved out of a tasklet or function that
// has ended is current nowhere, and may end anywhere on its thread. One that is destroyed elsewhere logs an error and
// ends when its thread next opens or ends a scope, or ends itself.
//
// A scope that is still open when its thread ends, in a static or thread_local object, ends with the thread: what is
// under way is waited for, at most 30 seconds, and errors are logged.
class ContextScope {
 public:
  // Moving hands the scope over; the one that is assigned to ends first, as by the destructor. A scope that was moved
  // from is as one that has ended.
  ContextScope(ContextScope&& other) noexcept = default;
  ContextScope& operator=(ContextScope&& other) noexcept;
  // Like close(), but errors are logged.
  ~ContextScope();
  // Ends the scope now; throws the first error of a write whose future nobody kept. The second call does nothing.
  // ContextError on another thread, or where the scope can't end: it then goes on.
  void close();
  // The context; not of a scope that has ended.
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

  // For a process that is about to stop. No context is opened from now on (ContextError). Those that are open may go on
  // for four fifths of `time`; then they are cancelled, as by Context::cancel(), and given the rest to end. Returns the
  // threads whose contexts did not end, each once, and logs them; they get Cancelled as soon as they call or wait. Does
  // not wait for contexts of the calling thread. Afterwards every call of the client fails. Thread-safe.
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

// Names the client of threads that open no scope, or none again. Thread-safe. Such a thread has a context of its own,
// which is emptied when the outermost call on it ends. An async write, also one of raw memcache, is waited for when
// that call ends, because nothing would send it later; put_multi_async() and the like are one call and one batch, async
// reads wait as ever. When the process ends by exit() or the end of main(), it names none any more.
void set_default_client(std::optional<Client> client);

}  // namespace ndb
