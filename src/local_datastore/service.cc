#include "local_datastore/service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "base/strings.h"

namespace ndb::local {
namespace {

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::Status parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  if (bytes.Length() > kMaxRequestBytes) {
    return absl::InvalidArgumentError(cat("Request payload size exceeds the limit: ", kMaxRequestBytes, " bytes."));
  }
  grpc::ByteBuffer copy(bytes);  // shares the slices; the reader wants it mutable
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok() || !message.ParseFromZeroCopyStream(&reader)) {
    return absl::InvalidArgumentError(cat("The request is not a valid ", message.GetTypeName(), "."));
  }
  return absl::OkStatus();
}

}  // namespace

template <class Request, class Response>
void Service::serve(const char* method, absl::Status (Engine::*call)(Request&, Response&)) {
  using Handler = grpc::internal::RpcMethodHandler<Service, grpc::ByteBuffer, grpc::ByteBuffer>;
  auto handle = [call](Service* self, grpc::ServerContext*, const grpc::ByteBuffer* in, grpc::ByteBuffer* out) {
    google::protobuf::Arena arena;
    Request& request = *google::protobuf::Arena::CreateMessage<Request>(&arena);
    Response& response = *google::protobuf::Arena::CreateMessage<Response>(&arena);
    if (const absl::Status status = parse(*in, request); !status.ok()) return to_grpc(status);
    if (const absl::Status status = (self->engine_.*call)(request, response); !status.ok()) return to_grpc(status);
    bool own_buffer = false;
    return grpc::SerializationTraits<Response>::Serialize(response, out, &own_buffer);
  };
  // gRPC takes both over.
  auto handler = std::make_unique<Handler>(handle, this);
  auto rpc = std::make_unique<grpc::internal::RpcServiceMethod>(method, grpc::internal::RpcMethod::NORMAL_RPC,
                                                                handler.release());
  AddMethod(rpc.release());
}

Service::Service(Engine& engine) : engine_(engine) {
  serve("/google.datastore.v1.Datastore/Lookup", &Engine::lookup);
  serve("/google.datastore.v1.Datastore/RunQuery", &Engine::run_query);
  serve("/google.datastore.v1.Datastore/RunAggregationQuery", &Engine::run_aggregation_query);
  serve("/google.datastore.v1.Datastore/BeginTransaction", &Engine::begin_transaction);
  serve("/google.datastore.v1.Datastore/Commit", &Engine::commit);
  serve("/google.datastore.v1.Datastore/Rollback", &Engine::rollback);
  serve("/google.datastore.v1.Datastore/AllocateIds", &Engine::allocate_ids);
  serve("/google.datastore.v1.Datastore/ReserveIds", &Engine::reserve_ids);
}

}  // namespace ndb::local
