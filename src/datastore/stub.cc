#include "datastore/stub.h"

#include "datastore/call.h"

namespace ndb::datastore {
namespace {

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
    std::make_shared<UnaryCall<Request, Response>>(session_, rpc, options, std::move(request), std::move(done))
        ->start();
  }

  const std::shared_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Stub> make_stub(StubConfig config) { return std::make_unique<GrpcStub>(std::move(config)); }

}  // namespace ndb::datastore
