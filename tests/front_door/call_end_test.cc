// Calls end when their clients disconnect, when their time is over, and when the server stops.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_method.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "front_door/callers.h"
#include "front_door/front_door.h"
#include "front_door/grpc_connections.h"
#include "front_door/http_connection.h"
#include "front_door/listen.h"
#include "front_door/service.h"
#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// An HTTP server with one method, lookup, which the test implements.
class OneMethod {
 public:
  using Call = std::function<absl::Status(const local::CallContext& call)>;

  OneMethod(Call call, std::chrono::milliseconds max_call, std::chrono::milliseconds grace)
      : methods_{{.grpc = "/Lookup",
                  .http_verb = "POST",
                  .http_path = "/{project_id}:lookup",
                  .request = v1::LookupRequest::default_instance(),
                  .response = v1::LookupResponse::default_instance(),
                  .call = [call = std::move(call)](const local::CallContext& context, auto&,
                                                   auto&) { return call(context); }}},
        listeners_(*local::listen(io_, "127.0.0.1:0", false)),
        server_{.io = io_,
                .workers = workers_,
                .connections = connections_,
                .handler = handler_,
                .memory = memory_,
                .max_call = max_call,
                .grace = grace} {
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~OneMethod() {
    workers_.join();
    io_.stop();
    thread_.join();
  }
  const std::string& address() const { return listeners_.address; }

 private:
  void accept() {
    listeners_.acceptors.front().async_accept([this](auto error, boost::asio::ip::tcp::socket socket) {
      if (error) return;
      local::serve_http(server_, std::make_unique<local::Transport>(std::move(socket)), "");
      accept();
    });
  }

  boost::asio::io_context io_{1};
  const std::vector<local::Method> methods_;
  const local::Token token_{""};
  const local::HttpHandler handler_{methods_, token_, *local::Access::make({.host_port = "127.0.0.1:0"}), {}};
  local::MemoryBudget memory_{1 << 20};
  local::Connections connections_{10};
  local::Workers workers_;
  local::Listeners listeners_;
  local::HttpServer server_;
  std::thread thread_;
};

TEST(CallEnd, HttpAnswersWhatTakesTooLong) {
  using std::chrono_literals::operator""ms;
  {
    // It is told that its time is over.
    const OneMethod server(
        [](const local::CallContext& call) {
          while (call.check().ok()) std::this_thread::yield();
          return call.check();
        },
        10ms, std::chrono::hours(1));
    const HttpReply reply = ask(server.address(), "POST", "/p:lookup", "{}");
    EXPECT_EQ(reply.code, 504);
    EXPECT_THAT(reply.body, HasSubstr(R"("status":"DEADLINE_EXCEEDED")"));
  }
  // It need not react to that.
  std::atomic<bool> ended{false};
  const OneMethod server(
      [&ended](const local::CallContext&) {
        while (!ended) std::this_thread::yield();
        return absl::OkStatus();
      },
      10ms, 10ms);
  const HttpReply reply = ask(server.address(), "POST", "/p:lookup", "{}");
  EXPECT_EQ(reply.code, 504);
  EXPECT_THAT(reply.head, HasSubstr("Connection: close\r\n"));
  ended = true;
}

TEST(CallEnd, HttpClientsThatHangUpCancelTheirCalls) {
  std::promise<absl::Status> heard;
  const OneMethod server(
      [&heard](const local::CallContext& call) {
        while (call.check().ok()) std::this_thread::yield();
        heard.set_value(call.check());
        return call.check();
      },
      std::chrono::hours(1), std::chrono::hours(1));
  {
    const Socket socket(server.address());
    // The next request has already been sent, as HTTP allows.
    socket.send(http_request("POST", "/p:lookup", "{}") + http_request("POST", "/p:lookup", "{}"));
  }
  const absl::Status status = heard.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

// Calls that wait an hour for locks end when their clients disconnect, so that the server can be shut down.
TEST(CallEnd, CallsOfDisconnectedClientsStopWaitingForLocks) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0", .lock_timeout = std::chrono::hours(1)});
  DatastoreClient holder(*server);
  const std::string transaction = holder.begin();
  ASSERT_TRUE(holder.lookup(transaction, {key("K", 1)}).ok());
  const auto grpc_channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::Datastore::NewStub(grpc_channel);
  v1::CommitRequest request;
  request.set_project_id(kProject);
  request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  *request.add_mutations() = upsert(entity(key("K", 1)));
  {
    std::vector<Socket> waiting;
    for (int i = 0; i < 5; ++i) {
      waiting.emplace_back(server->address())
          .send(http_request("POST", "/v1/projects/test-project:commit",
                             R"({"mode": "NON_TRANSACTIONAL", "mutations": [{"upsert": {"key": {"path": [)"
                             R"({"kind": "K", "id": "1"}]}}}]})"));
    }
    // One with a deadline, one that its client cancels, and one whose client is gone with its channel.
    grpc::ClientContext late, cancelled;
    late.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::CommitResponse response;
    std::thread cancels([&] {
      v1::CommitResponse none;
      EXPECT_EQ(stub->Commit(&cancelled, request, &none).error_code(), grpc::StatusCode::CANCELLED);
    });
    EXPECT_EQ(stub->Commit(&late, request, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    cancelled.TryCancel();
    cancels.join();
  }
  EXPECT_TRUE(holder.lookup(transaction, {key("K", 1)}).ok()) << "the transaction still has its locks";
  server->shutdown();
}

// Otherwise a client that dies during its transaction would lock its keys for an hour.
TEST(CallEnd, ATransactionEndsWithItsConnection) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0",
                                             .lock_timeout = std::chrono::hours(1),
                                             .transaction_timeout = std::chrono::hours(1),
                                             .transaction_idle_timeout = std::chrono::hours(1)});
  {
    grpc::ChannelArguments own_connection;
    own_connection.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    DatastoreClient ended(
        grpc::CreateCustomChannel(server->address(), grpc::InsecureChannelCredentials(), own_connection));
    ASSERT_TRUE(ended.lookup(ended.begin(), {key("K", 1)}).ok());
  }
  DatastoreClient other(*server);
  EXPECT_TRUE(other.commit({upsert(entity(key("K", 1)))}).ok());
}

// A method that ends only when it is told to: `heard` gets the reason.
local::Method endless(std::promise<void>& begun, std::promise<absl::Status>& heard) {
  return {.grpc = "/google.datastore.v1.Datastore/Lookup",
          .http_verb = "POST",
          .http_path = "/{project_id}:lookup",
          .request = v1::LookupRequest::default_instance(),
          .response = v1::LookupResponse::default_instance(),
          .call = [&](const local::CallContext& call, auto&, auto&) {
            begun.set_value();
            while (call.check().ok()) std::this_thread::yield();
            heard.set_value(call.check());
            return call.check();
          }};
}

// What is still being answered when the grace of a shutdown is over is cancelled, so that the server ends.
TEST(CallEnd, AShutdownCutsWhatOutlastsItsGraceOverHttp) {
  std::promise<void> begun;
  std::promise<absl::Status> heard;
  const std::vector<local::Method> methods{endless(begun, heard)};
  const local::Token token{""};
  const local::HttpHandler handler(methods, token, *local::Access::make({.host_port = "127.0.0.1:0"}), {});
  local::MemoryBudget memory{1 << 20};
  local::GrpcConnections connections{{.unverified = 10, .watched = 10}};
  const auto door = *local::FrontDoor::open("127.0.0.1:0", false, nullptr);
  door->start(nullptr, handler, memory, connections);
  Socket client(door->address());
  client.send(http_request("POST", "/p:lookup", "{}"));
  begun.get_future().wait();
  door->stop(std::chrono::milliseconds(1));
  EXPECT_EQ(heard.get_future().get().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(client.rest(), AllOf(HasSubstr(" 503 "), HasSubstr("is being shut down")));
}

TEST(CallEnd, AShutdownCutsWhatOutlastsItsGraceOverGrpc) {
  std::promise<void> begun;
  std::promise<absl::Status> heard;
  const std::vector<local::Method> methods{endless(begun, heard)};
  const local::Token token{""};
  local::MemoryBudget memory{1 << 20};
  local::GrpcConnections connections{{.unverified = 10, .watched = 10}};
  local::Callers callers{token, connections};
  local::Service service(methods, callers, memory);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::Datastore::NewStub(server->InProcessChannel({}));
  std::thread client([&] {
    grpc::ClientContext context;
    v1::LookupResponse response;
    EXPECT_FALSE(stub->Lookup(&context, v1::LookupRequest(), &response).ok());
  });
  begun.get_future().wait();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
  EXPECT_EQ(heard.get_future().get().code(), absl::StatusCode::kCancelled);
  client.join();
}

TEST(CallEnd, UnknownMethodsAreNamed) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  const auto channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
  const auto admin = grpc::internal::RpcMethod("/google.datastore.admin.v1.DatastoreAdmin/ExportEntities",
                                               grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  const v1::LookupRequest request;
  v1::LookupResponse response;
  const grpc::Status status = grpc::internal::BlockingUnaryCall(channel.get(), admin, &context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("DatastoreAdmin/ExportEntities"), HasSubstr("reflection")));
}

}  // namespace
}  // namespace ndb::testing
