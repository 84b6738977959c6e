#include "ndb/client.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/client_core.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/thread_contexts.h"
#include "datastore/channel.h"
#include "datastore/observed_stub.h"
#include "model/default_partition.h"

namespace ndb {
namespace {

using context::ConsistencyProbe;
using context::Scopes;
using context::SharedEntities;
using context::ThreadContexts;

std::optional<std::string> environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<memcache::Gateway>> make_gateway(const ClientOptions& options) {
  memcache::Config config = context::memcache_config(options);
  if (config.servers.empty()) {
    static const bool logged =
        (log(Severity::kInfo,
             "no memcached servers (MEMCACHED_HOSTS, ClientOptions::memcached_hosts): entities are "
             "cached in contexts only"),
         true);
    (void)logged;
    return nullptr;
  }
  return memcache::Gateway::make(std::move(config));
}

// The decorators between the contexts of a client and its stub, from the inside out.
std::unique_ptr<datastore::Stub> decorated(std::unique_ptr<datastore::Stub> stub, const Client::Core& core) {
  return std::make_unique<datastore::ObservedStub>(std::move(stub), core.rpcs, *core.clock);
}

absl::StatusOr<std::shared_ptr<Client::Core>> make_core(ClientOptions options) {
  if (options.shared_cache_entries == 0 || options.shared_cache_entries > SharedEntities::kMostEntries) {
    return bad_argument(cat("shared_cache_entries must be 1 to ", SharedEntities::kMostEntries, ", but is ",
                            options.shared_cache_entries));
  }
  if (options.cache_entries == 0 || options.cache_bytes == 0) {
    return bad_argument("cache_entries and cache_bytes must be more than 0; use `use_cache = false` to cache nothing");
  }
  set_default_partition(context::current_partition);
  auto core = std::make_shared<Client::Core>();
  NDB_ASSIGN_OR_RETURN(core->partition.project, context::find_project(options));
  core->partition.database = options.database;
  core->partition.namespace_ = options.namespace_;
  if (const absl::Status status = check_partition(core->partition); !status.ok()) {
    return bad_argument(cat("the options of a client: ", from_absl(status.message())));
  }
  NDB_ASSIGN_OR_RETURN(core->gateway, make_gateway(options));

  datastore::ChannelConfig channels;
  channels.in_process = options.channel;
  channels.emulator_host = options.emulator_host.value_or("");
  channels.emulator_ca_file = options.emulator_ca_file;
  channels.emulator_token = options.emulator_token;
  channels.endpoint = options.endpoint.value_or("");
  channels.channels = options.channels;
  datastore::StubConfig stub;
  stub.project = *core->partition.project;
  stub.tracer = observe::Tracer::make(options.observer);
  NDB_ASSIGN_OR_RETURN(stub.channels, datastore::make_channels(channels));
  core->stub = decorated(datastore::make_stub(std::move(stub)), *core);
  if (core->gateway != nullptr) {
    core->shared = std::make_unique<SharedEntities>(options.shared_cache_entries, options.shared_cache_bytes);
  }
  if (core->gateway != nullptr && options.memcache_probe_one_in > 0) {
    core->probe =
        std::make_unique<ConsistencyProbe>(*core->stub, *core->gateway, *core->clock, options.memcache_probe_one_in);
  }
  core->options = std::move(options);
  return core;
}

}  // namespace

namespace context {

std::vector<std::string> split_hosts(std::string_view text) {
  std::vector<std::string> hosts;
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(" ,", begin)) != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(" ,", begin), text.size());
    hosts.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return hosts;
}

absl::StatusOr<std::string> find_project(const ClientOptions& options) {
  if (options.project && !options.project->empty()) return *options.project;
  if (auto project = environment({"DATASTORE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "DATASTORE_DATASET"}))
    return *project;
  if (options.channel != nullptr || options.emulator_host || environment({"DATASTORE_EMULATOR_HOST"})) return "local";
  return bad_argument(
      "no project: set ClientOptions::project or GOOGLE_CLOUD_PROJECT, or DATASTORE_EMULATOR_HOST for a local "
      "Datastore");
}

memcache::Config memcache_config(const ClientOptions& options) {
  return {
      .servers = options.memcached_hosts ? *options.memcached_hosts
                                         : split_hosts(environment({"MEMCACHED_HOSTS"}).value_or("")),
      .connect_timeout = options.memcache_connect_timeout,
      .io_timeout = options.memcache_io_timeout,
      .max_item_size = options.memcache_max_item_size,
      .ring_check = options.memcache_ring_check,
      .tracer = observe::Tracer::make(options.observer),
  };
}

}  // namespace context

Client::Client(ClientOptions options) : core_(value_or_throw(make_core(std::move(options)))) {}
Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Client::Core::~Core() {
  if (made_at == fork_count() || !(fork_mark.left_behind() || forked_while_grpc_ran())) return;
  leave_to_parent(std::move(probe));
  leave_to_parent(std::move(shared));
  leave_to_parent(std::move(gateway));
  leave_to_parent(std::move(stub));
}

Client::Client(const Client&) = default;
Client& Client::operator=(const Client&) = default;
Client::~Client() = default;

const std::string& Client::project() const { return *core_->partition.project; }

MemcacheStats Client::memcache_stats() const {
  if (core_->gateway == nullptr) return {};
  if (core_->fork_mark.left_behind()) throw_if_error(core_->use());
  MemcacheStats stats = core_->gateway->stats();
  if (core_->probe != nullptr) {
    stats.probed = core_->probe->checked();
    stats.stale_hits = core_->probe->stale();
  }
  return stats;
}

DatastoreStats Client::datastore_stats() const { return core_->rpcs->stats(); }

ContextScope Client::context(const ContextOptions& options) const {
  if (core_->closing) throw ContextError("this client was shut down: no context can be opened any more");
  if (core_->fork_mark.left_behind()) throw_if_error(core_->use());
  ThreadContexts::mine().end_orphans();
  auto impl = std::make_shared<Context::Impl>(core_);
  throw_if_error(impl->configure(options));
  return ContextScope(detail::ContextAccess::make(std::move(impl)));
}

std::vector<std::thread::id> Client::shutdown(std::chrono::milliseconds time) {
  const auto grace = std::max(time, std::chrono::milliseconds(0)) * 4 / 5;
  core_->closing = true;
  core_->open_contexts.wait(grace);
  core_->bounds->cancel("the client is being shut down");
  const std::vector<std::thread::id> left = core_->open_contexts.wait(time - grace);
  for (const std::thread::id thread : left) {
    std::ostringstream name;
    name << thread;
    log(Severity::kError, cat("the client was shut down, but a context of thread ", name.str(),
                              " has not ended: its thread computes, or waits for something else than this framework"));
  }
  return left;
}

ContextScope::ContextScope(std::shared_ptr<Context> context) : context_(std::move(context)) {
  ThreadContexts::mine().open_scope(context_);
}

ContextScope& ContextScope::operator=(ContextScope&& other) noexcept {
  if (this == &other) return *this;
  end();
  context_ = std::move(other.context_);
  return *this;
}

// Tasklets that were spawned in the scope, and the calls they started, end before it does.
void ContextScope::close() {
  if (context_ == nullptr) return;
  const std::shared_ptr<Context::Impl> impl = impl_of(*context_).shared_from_this();
  if (impl->over) return;  // it ended with its thread
  impl->check_thread();
  if (!Scopes::can_end(*impl)) {
    throw ContextError(
        "this scope was opened outside of the tasklet, transaction or hook that is running, or in a tasklet that has "
        "not ended; end a scope where it was opened");
  }
  context_ = nullptr;
  ThreadContexts& mine = ThreadContexts::mine();
  mine.end_orphans();
  throw_if_error(mine.end_scope(impl));
}

void ContextScope::end() noexcept {
  if (context_ == nullptr) return;
  const std::shared_ptr<Context> context = context_;
  Context::Impl& impl = impl_of(*context);
  try {
    if (!impl.over && !(impl.on_own_thread() && Scopes::can_end(impl))) {
      context_ = nullptr;
      ThreadContexts::orphan(impl);
      log(Severity::kError,
          "a context's scope was destroyed on another thread than the one that opened it, or in another tasklet, "
          "transaction or hook: it ends, and its writes are waited for, when its thread next opens or closes a scope, "
          "or ends; destroy a scope where it was opened");
      return;
    }
    close();
  } catch (const std::exception& error) {
    log(Severity::kError, cat("at the end of a context's scope: ", error.what()));
  }
  context_ = nullptr;
}

ContextScope::~ContextScope() { end(); }

}  // namespace ndb
