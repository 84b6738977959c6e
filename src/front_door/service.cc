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
#include "front_door/http_message.h"
#include "front_door/message_size.h"

namespace ndb::local {
namespace {

using google::protobuf::Message;

absl::Status parse(const grpc::ByteBuffer& bytes, MemoryBudget::Loan& loan, Message& message) {
  NDB_RETURN_IF_ERROR(check_request_size(bytes.Length()));
  grpc::ByteBuffer copy(bytes);  // shares the slices; the reader needs a mutable buffer
  if (bytes.Length() > kNotMeasured) {
    grpc::ProtoBufferReader reader(&copy);
    NDB_ASSIGN_OR_RETURN(const std::size_t size, parsed_size(reader, *message.GetDescriptor()));
    if (!loan.cover(size)) return too_many_requests();
  }
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok() || !parse_message(reader, message)) {
    return absl::InvalidArgumentError(cat("The request is not a valid ", message.GetTypeName(), "."));
  }
  return absl::OkStatus();
}

grpc::Status serve(const Method& method, const CallContext& call, MemoryBudget& memory, const grpc::ByteBuffer& in,
                   grpc::ByteBuffer& out) {
  google::protobuf::Arena arena;
  Message& request = *method.request.New(&arena);
  Message& response = *method.response.New(&arena);
  MemoryBudget::Loan loan(memory);
  if (const absl::Status status = parse(in, loan, request); !status.ok()) return to_grpc(status);
  if (const absl::Status status = method.call(call, request, response); !status.ok()) return to_grpc(status);
  bool own_buffer = false;
  return grpc::SerializationTraits<Message>::Serialize(response, &out, &own_buffer);
}

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

Service::Service(const std::vector<Method>& methods, Callers& callers, MemoryBudget& memory) {
  using Handler = grpc::internal::RpcMethodHandler<Service, grpc::ByteBuffer, grpc::ByteBuffer>;
  using grpc::internal::RpcServiceMethod;
  for (const Method& method : methods) {
    auto handle = [&](Service*, grpc::ServerContext* context, const grpc::ByteBuffer* in, grpc::ByteBuffer* out) {
      if (grpc::Status status = callers.check(*context); !status.ok()) return status;
      const Callers::Watch watch(callers, *context);
      return serve(method, watch.call(), memory, *in, *out);
    };
    // gRPC takes ownership of both.
    auto handler = std::make_unique<Handler>(handle, this);
    auto rpc = std::make_unique<RpcServiceMethod>(method.grpc, RpcServiceMethod::NORMAL_RPC, handler.release());
    AddMethod(rpc.release());
  }
}

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(grpc::GenericCallbackServerContext* context) {
  grpc::Status status = callers_.check(*context);
  if (status.ok()) {
    status = {grpc::StatusCode::UNIMPLEMENTED, cat("This server has no method ", quoted(context->method()),
                                                   "; ask its reflection which services it has (grpcurl list).")};
  }
  auto refusal = std::make_unique<Refusal>(status);
  return refusal.release();  // it deletes itself
}

}  // namespace ndb::local
