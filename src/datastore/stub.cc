#include "datastore/stub.h"

#include <grpcpp/create_channel.h>

#include <future>

#include "datastore/call.h"

namespace ndb::datastore {
namespace {

// gRPC 1.51 delivers all callbacks of a process through one completion queue, which goes with the last channel that
// used it; its end races with the next channel that comes (seen: an abort in grpc_cq_internal_unref, under a client
// destroyed and another made). A channel that is never destroyed, and has made a call, keeps the queue: this one.
std::shared_ptr<grpc::Channel> queue_keeper() {
  static const std::shared_ptr<grpc::Channel>& kept = []() -> const std::shared_ptr<grpc::Channel>& {
    // Without credentials it is a channel on which every call fails at once.
    auto channel = std::make_unique<std::shared_ptr<grpc::Channel>>(grpc::CreateChannel("unused", nullptr));
    grpc::TemplatedGenericStub<wire::LookupRequest, wire::LookupResponse> stub(*channel);
    grpc::ClientContext context;
    const wire::LookupRequest request;
    wire::LookupResponse response;
    std::promise<void> failed;
    stub.UnaryCall(&context, "/", grpc::StubOptions(), &request, &response,
                   [&](const grpc::Status&) { failed.set_value(); });
    failed.get_future().wait();
    return *channel.release();
  }();
  return kept;
}

class GrpcStub final : public Stub {
 public:
  explicit GrpcStub(StubConfig config) : session_(std::make_shared<Session>(std::move(config))) {}
  ~GrpcStub() override {
    session_->cancel_all();
    if (!Call::delivering()) session_->wait_for_all();
  }

#define NDB_SEND(function, Name, idempotent)                                                                         \
  void function(wire::Name##Request request, const CallOptions& options, Done<wire::Name##Response> done) override { \
    static constexpr Rpc kRpc{#Name, idempotent};                                                                    \
    call(kRpc, std::move(request), options, std::move(done));                                                        \
  }
  NDB_DATASTORE_RPCS(NDB_SEND)
#undef NDB_SEND

 private:
  template <class Request, class Response>
  void call(const Rpc& rpc, Request request, const CallOptions& options, Done<Response> done) {
    request.set_project_id(session_->config().project);
    request.set_database_id(session_->config().database);
    std::make_shared<UnaryCall<Request, Response>>(session_, rpc, options, std::move(request), std::move(done))
        ->start();
  }

  const std::shared_ptr<grpc::Channel> queue_keeper_ = queue_keeper();
  const std::shared_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Stub> make_stub(StubConfig config) { return std::make_unique<GrpcStub>(std::move(config)); }

}  // namespace ndb::datastore
