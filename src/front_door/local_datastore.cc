#include "ndb/local_datastore.h"

#include <grpcpp/grpcpp.h>

#include <vector>

#include "base/channel.h"
#include "base/clock.h"
#include "base/strings.h"
#include "front_door/methods.h"
#include "front_door/service.h"
#include "ndb/error.h"

namespace ndb {
namespace {

// Above what a request may have, so that a request that is too big is answered rather than cut off.
constexpr int kMaxReceiveBytes = 64 << 20;

}  // namespace

struct LocalDatastore::Impl {
  std::unique_ptr<local::Engine> engine;
  std::vector<local::Method> methods;
  std::unique_ptr<local::Service> service;
  std::unique_ptr<grpc::Server> server;
  std::string address;
};

std::unique_ptr<LocalDatastore> LocalDatastore::start() { return start(Options{}); }

std::unique_ptr<LocalDatastore> LocalDatastore::start(const Options& options) {
  local::Engine::Options engine_options;
  engine_options.store = {.data_dir = options.data_dir, .fsync_always = options.fsync == Fsync::kAlways};
  engine_options.transactions = {.total = options.transaction_timeout, .idle = options.transaction_idle_timeout};
  engine_options.concurrency = options.concurrency == Concurrency::kOptimistic ? local::Concurrency::kOptimistic
                                                                               : local::Concurrency::kPessimistic;
  engine_options.lock_timeout = options.lock_timeout;
  engine_options.history = options.history;
  absl::StatusOr<std::unique_ptr<local::Engine>> engine = local::Engine::open(engine_options, Clock::system());
  if (!engine.ok()) throw_error(engine.status());

  auto impl = std::make_unique<Impl>();
  impl->engine = *std::move(engine);
  impl->methods = local::datastore_methods(*impl->engine);
  impl->service = std::make_unique<local::Service>(impl->methods);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // Two servers on one port would share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(impl->service.get());
  int port = 0;
  if (!options.host_port.empty()) {
    builder.AddListeningPort(options.host_port, grpc::InsecureServerCredentials(), &port);
  }
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || (!options.host_port.empty() && port == 0)) {
    throw_error(absl::UnavailableError(
        cat("the local Datastore cannot listen on ", quoted(options.host_port), "; choose a free port as host:port")));
  }
  if (port != 0) impl->address = cat(options.host_port.substr(0, options.host_port.rfind(':')), ':', port);
  return std::make_unique<LocalDatastore>(std::move(impl));
}

LocalDatastore::LocalDatastore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalDatastore::~LocalDatastore() { shutdown(); }

std::string LocalDatastore::address() const { return impl_->address; }

std::shared_ptr<Channel> LocalDatastore::channel() {
  if (impl_->server == nullptr) throw_error(absl::FailedPreconditionError("the local Datastore has been shut down"));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return std::make_shared<Channel>(impl_->server->InProcessChannel(arguments));
}

void LocalDatastore::shutdown() {
  if (impl_->server == nullptr) return;
  impl_->server->Shutdown();
  impl_->server.reset();
  impl_->service.reset();
  impl_->engine.reset();
}

}  // namespace ndb
