#include "ndb/local_datastore.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <utility>
#include <vector>

#include "base/channel.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "front_door/access.h"
#include "front_door/callers.h"
#include "front_door/front_door.h"
#include "front_door/grpc_connections.h"
#include "front_door/http.h"
#include "front_door/listen.h"
#include "front_door/memory_budget.h"
#include "front_door/methods.h"
#include "front_door/reflection.h"
#include "front_door/service.h"
#include "front_door/tls.h"
#include "front_door/token.h"
#include "ndb/error.h"

namespace ndb {
namespace {

// More than the limit of a request, so that a request that is too large is answered rather than cut off.
constexpr int kMaxReceiveBytes = 64 << 20;

// The total that gRPC may be receiving.
constexpr std::size_t kReceivedBytes = 256 << 20;
// The total for bodies that HTTP is receiving and for the messages of all requests.
constexpr std::size_t kRequestBytes = 512 << 20;

constexpr std::chrono::seconds kFarewell{1};

// A client that sends nothing within the first is broken; the second is longer than any transaction.
constexpr std::chrono::milliseconds kHandshake = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kMaxIdle = std::chrono::minutes(5);
constexpr std::size_t kHistoryBytesInMemory = 16 << 20;

absl::Status check_duration(std::string_view option, std::chrono::milliseconds value, std::chrono::milliseconds least) {
  constexpr std::chrono::hours kYear(24 * 366);  // so that no sum of times overflows
  if (value >= least && value <= kYear) return absl::OkStatus();
  return absl::InvalidArgumentError(
      cat(option, " must be from ", least.count(), " ms to a year, but is ", value.count(), " ms"));
}

absl::Status check_durations(const LocalDatastore::Options& options) {
  using std::chrono::milliseconds;
  NDB_RETURN_IF_ERROR(check_duration("lock_timeout", options.lock_timeout, milliseconds(0)));
  NDB_RETURN_IF_ERROR(check_duration("transaction_timeout", options.transaction_timeout, milliseconds(1)));
  NDB_RETURN_IF_ERROR(check_duration("transaction_idle_timeout", options.transaction_idle_timeout, milliseconds(1)));
  return check_duration("history", options.history, milliseconds(0));
}

local::Engine::Options engine_options(const LocalDatastore::Options& options) {
  local::Engine::Options engine;
  engine.store = {.data_dir = options.data_dir,
                  .fsync_always = options.fsync == LocalDatastore::Fsync::kAlways,
                  .accept_damaged_log = options.accept_damaged_log};
  engine.transactions = {.total = options.transaction_timeout, .idle = options.transaction_idle_timeout};
  engine.concurrency = options.concurrency == LocalDatastore::Concurrency::kOptimistic
                           ? local::Concurrency::kOptimistic
                           : local::Concurrency::kPessimistic;
  engine.lock_timeout = options.lock_timeout;
  engine.history.age = options.history;
  engine.history.bytes = options.history_bytes;
  if (options.data_dir.empty() && !options.history_bytes.has_value()) engine.history.bytes = kHistoryBytesInMemory;
  const bool default_file = options.index_file.empty() && !options.data_dir.empty();
  engine.indexes = {.file = default_file ? options.data_dir + "/index.yaml" : options.index_file,
                    .required = options.require_indexes};
  return engine;
}

local::Access::Options access_options(const LocalDatastore::Options& options) {
  return {.host_port = options.host_port,
          .tls = !options.tls_cert.empty(),
          .token = !options.auth_token.empty(),
          .hosts = options.allowed_hosts,
          .origins = options.cors_origins};
}

std::set<std::string> services_of(const std::vector<local::Method>& methods) {
  std::set<std::string> services;
  for (const local::Method& method : methods) {
    const std::string name = method.grpc + 1;
    services.insert(name.substr(0, name.find('/')));
  }
  return services;
}

// Starts the server with grpc.health.v1, which gRPC offers only as a switch for all servers of the process.
std::unique_ptr<grpc::Server> start_with_health(grpc::ServerBuilder& builder, const std::set<std::string>& services) {
  static Mutex mutex;
  const MutexLock lock(mutex);
  const bool before = grpc::DefaultHealthCheckServiceEnabled();
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  grpc::EnableDefaultHealthCheckService(before);
  if (server == nullptr || server->GetHealthCheckService() == nullptr) return server;
  for (const std::string& service : services) server->GetHealthCheckService()->SetServingStatus(service, true);
  return server;
}

}  // namespace

// Members are in the order in which they depend on each other.
struct LocalDatastore::Impl {
  explicit Impl(const Options& options) : token(options.auth_token), lock_timeout(options.lock_timeout) {}

  absl::Status start(const Options& options);
  void check_alive() const;  // throws
  void close_channels();
  void shutdown();

  ForkMark mark;
  Mutex mutex;
  std::vector<std::weak_ptr<Channel>> channels NDB_GUARDED_BY(mutex);  // handed out by channel()
  const local::Token token;
  const std::chrono::milliseconds lock_timeout;
  local::MemoryBudget memory{kRequestBytes};
  // HTTP connections get half of the file descriptors. These get a part of the rest, since each takes two.
  local::GrpcConnections connections{
      {.unverified = std::min<std::size_t>(128, local::max_files() / 8), .watched = local::max_files() / 6}};
  local::Callers callers{token, connections};
  std::unique_ptr<local::Tls> tls;
  std::unique_ptr<local::Engine> engine;
  std::unique_ptr<local::IndexAdmin> admin;
  std::vector<local::Method> methods;
  std::unique_ptr<local::Service> service;
  std::unique_ptr<local::Reflection> reflection;
  local::UnknownMethods unknown_methods{callers};
  std::unique_ptr<local::HttpHandler> http;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<local::FrontDoor> door;
};

namespace {

// The servers that are running. When the process exits, they are shut down before the static objects that gRPC and
// RocksDB have made by then, whatever object holds them: for example a test fixture that is older than those. Never
// destroyed.
template <class Server>
class Living {
 public:
  static Living& all() {
    static Living& living = *std::make_unique<Living>().release();
    return living;
  }
  // Called for a running server, so that those objects exist.
  void add(Server* server) {
    [[maybe_unused]] static const int registered = std::atexit([] { all().end(); });
    const MutexLock lock(mutex_);
    servers_.insert(server);
  }
  void remove(Server* server) {
    const MutexLock lock(mutex_);
    servers_.erase(server);
  }

 private:
  void end() {
    std::set<Server*> servers;
    {
      const MutexLock lock(mutex_);
      servers.swap(servers_);
    }
    for (Server* const server : servers) server->shutdown();
  }

  Mutex mutex_;
  std::set<Server*> servers_ NDB_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status LocalDatastore::Impl::start(const Options& options) {
  if (forked_while_grpc_ran()) {
    return used_before_fork("gRPC was running (a client or another LocalDatastore had been used)");
  }
  mark.use();
  NDB_RETURN_IF_ERROR(local::check_token(options.auth_token));
  NDB_RETURN_IF_ERROR(check_durations(options));
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("TLS needs both a certificate and its key: set tls_cert and tls_key");
  }
  if (!options.tls_cert.empty()) {
    NDB_ASSIGN_OR_RETURN(tls, local::load_tls(options.tls_cert, options.tls_key));
  }
  if (!options.host_port.empty()) {
    const bool exposed = token.required() || options.allow_unauthenticated;
    NDB_ASSIGN_OR_RETURN(door, local::FrontDoor::open(options.host_port, exposed, tls.get()));
  }
  NDB_ASSIGN_OR_RETURN(local::Access access, local::Access::make(access_options(options)));
  NDB_ASSIGN_OR_RETURN(engine, local::Engine::open(engine_options(options), Clock::system()));
  admin = std::make_unique<local::IndexAdmin>(engine->indexes());
  methods = local::datastore_methods(*engine);
  for (local::Method& method : local::admin_methods(*admin)) methods.push_back(std::move(method));
  service = std::make_unique<local::Service>(methods, callers, memory);
  std::set<std::string> services = services_of(methods);
  reflection = std::make_unique<local::Reflection>(services, callers);

  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetResourceQuota(grpc::ResourceQuota().Resize(kReceivedBytes));
  builder.RegisterService(service.get());
  builder.RegisterService(reflection.get());
  builder.RegisterCallbackGenericService(&unknown_methods);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, static_cast<int>(kHandshake.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(kMaxIdle.count()));
  local::FrontDoor::GrpcDoor grpc_door;
  if (door != nullptr) {
    grpc_door = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        tls != nullptr ? tls->grpc : grpc::InsecureServerCredentials());
  }
  server = start_with_health(builder, services);
  if (server == nullptr) return absl::InternalError("gRPC cannot start the server of the local Datastore");
  http = std::make_unique<local::HttpHandler>(
      methods, token, std::move(access),
      local::HttpHandler::Actions{.reset = [this] { return engine->reset(); }, .shut_down = options.on_shutdown});
  connections.set_on_closed([this](const std::string& peer) { engine->disconnected(peer); });
  if (door != nullptr) door->start(std::move(grpc_door), *http, memory, connections);
  Living<Impl>::all().add(this);
  return absl::OkStatus();
}

std::unique_ptr<LocalDatastore> LocalDatastore::start() { return start(Options{}); }

std::unique_ptr<LocalDatastore> LocalDatastore::start(const Options& options) {
  auto impl = std::make_unique<Impl>(options);
  if (const absl::Status status = impl->start(options); !status.ok()) throw_error(status);
  struct Started final : LocalDatastore {
    explicit Started(std::unique_ptr<Impl> started) : LocalDatastore(std::move(started)) {}
  };
  return std::make_unique<Started>(std::move(impl));
}

LocalDatastore::LocalDatastore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalDatastore::~LocalDatastore() {
  shutdown();
  if (impl_->mark.left_behind()) leave_to_parent(std::shared_ptr<Impl>(std::move(impl_)));
}

std::string LocalDatastore::address() const { return impl_->door == nullptr ? "" : impl_->door->address(); }

void LocalDatastore::Impl::check_alive() const {
  if (mark.left_behind()) throw_error(used_before_fork("this LocalDatastore was started"));
  if (server == nullptr) throw_error(absl::FailedPreconditionError("the local Datastore has been shut down"));
}

std::shared_ptr<Channel> LocalDatastore::channel() {
  impl_->check_alive();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto channel = std::make_shared<Channel>(impl_->server->InProcessChannel(arguments));
  const MutexLock lock(impl_->mutex);
  std::erase_if(impl_->channels, [](const std::weak_ptr<Channel>& given) { return given.expired(); });
  impl_->channels.push_back(channel);
  return channel;
}

void LocalDatastore::reset() {
  impl_->check_alive();
  if (const absl::Status status = impl_->engine->reset(); !status.ok()) throw_error(status);
}

void LocalDatastore::Impl::close_channels() {
  std::vector<std::weak_ptr<Channel>> given;
  {
    const MutexLock lock(mutex);
    given = std::exchange(channels, {});
  }
  for (const std::weak_ptr<Channel>& one : given) {
    if (const std::shared_ptr<Channel> channel = one.lock()) channel->close();
  }
}

void LocalDatastore::Impl::shutdown() {
  if (server == nullptr || mark.left_behind()) return;
  Living<Impl>::all().remove(this);
  close_channels();  // calls in this process fail with an error of their own from now on
  // Calls take little longer than their waits for locks. Those that do are then cancelled, by gRPC's server too, which
  // would otherwise wait twenty seconds for clients that have gone silent.
  const std::chrono::milliseconds grace = lock_timeout + kFarewell;
  const auto deadline = std::chrono::system_clock::now() + grace;
  if (door != nullptr) door->stop(grace);
  server->Shutdown(deadline);
  server.reset();
  http.reset();
  reflection.reset();
  service.reset();
  engine.reset();
}

void LocalDatastore::shutdown() { impl_->shutdown(); }

}  // namespace ndb
