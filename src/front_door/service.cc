#include "front_door/service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

using google::protobuf::Message;

// What gRPC calls the other end of LocalDatastore::channel(). Sockets have an address.
constexpr std::string_view kInProcess = "unknown";

// A message travels as a header, with up to three bytes for one of its own, and clients take no more than 8 KiB of
// headers: a longer one would reach them as an error of another code.
constexpr std::size_t kMaxMessage = 2000;

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  if (message.size() > kMaxMessage) {
    const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(message[at]) & 0xC0U) == 0x80; };
    std::size_t end = kMaxMessage;
    while (end > 0 && continues(end)) --end;
    message.replace(end, message.npos, "...");
  }
  return {static_cast<grpc::StatusCode>(status.code()), message};
}

absl::Status parse(const grpc::ByteBuffer& bytes, Message& message) {
  NDB_RETURN_IF_ERROR(check_request_size(bytes.Length()));
  grpc::ByteBuffer copy(bytes);  // shares the slices; the reader wants it mutable
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok() || !message.ParseFromZeroCopyStream(&reader)) {
    return absl::InvalidArgumentError(cat("The request is not a valid ", message.GetTypeName(), "."));
  }
  return absl::OkStatus();
}

grpc::Status serve(const Method& method, const grpc::ByteBuffer& in, grpc::ByteBuffer& out) {
  google::protobuf::Arena arena;
  Message& request = *method.request.New(&arena);
  Message& response = *method.response.New(&arena);
  if (const absl::Status status = parse(in, request); !status.ok()) return to_grpc(status);
  if (const absl::Status status = method.call(CallContext(), request, response); !status.ok()) return to_grpc(status);
  bool own_buffer = false;
  return grpc::SerializationTraits<Message>::Serialize(response, &out, &own_buffer);
}

}  // namespace

grpc::Status check_caller(const grpc::ServerContext& context, const Token& token) {
  if (!token.required() || context.peer() == kInProcess) return grpc::Status::OK;
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return to_grpc(token.check(""));
  return to_grpc(token.check({found->second.data(), found->second.size()}));
}

Service::Service(const std::vector<Method>& methods, const Token& token) {
  using Handler = grpc::internal::RpcMethodHandler<Service, grpc::ByteBuffer, grpc::ByteBuffer>;
  using grpc::internal::RpcServiceMethod;
  for (const Method& method : methods) {
    auto handle = [&](Service*, grpc::ServerContext* context, const grpc::ByteBuffer* in, grpc::ByteBuffer* out) {
      if (grpc::Status status = check_caller(*context, token); !status.ok()) return status;
      return serve(method, *in, *out);
    };
    // gRPC takes both over.
    auto handler = std::make_unique<Handler>(handle, this);
    auto rpc = std::make_unique<RpcServiceMethod>(method.grpc, RpcServiceMethod::NORMAL_RPC, handler.release());
    AddMethod(rpc.release());
  }
}

}  // namespace ndb::local
