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

#define NDB_RPC(function, Name, idempotent)                                                                          \
  void function(wire::Name##Request request, const CallOptions& options, Done<wire::Name##Response> done) override { \
    static constexpr Rpc kRpc{#Name, idempotent};                                                                    \
    call(kRpc, std::move(request), options, std::move(done));                                                        \
  }
  NDB_RPC(lookup, Lookup, true)
  NDB_RPC(run_query, RunQuery, true)
  NDB_RPC(run_aggregation_query, RunAggregationQuery, true)
  NDB_RPC(begin_transaction, BeginTransaction, false)
  NDB_RPC(commit, Commit, false)
  NDB_RPC(rollback, Rollback, false)
  NDB_RPC(allocate_ids, AllocateIds, false)
  NDB_RPC(reserve_ids, ReserveIds, true)
#undef NDB_RPC

 private:
  template <class Request, class Response>
  void call(const Rpc& rpc, Request request, const CallOptions& options, Done<Response> done) {
    request.set_project_id(session_->config().project);
    request.set_database_id(session_->config().database);
    std::make_shared<UnaryCall<Request, Response>>(session_, rpc, options, std::move(request), std::move(done))
        ->start();
  }

  const std::shared_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Stub> make_stub(StubConfig config) { return std::make_unique<GrpcStub>(std::move(config)); }

}  // namespace ndb::datastore
