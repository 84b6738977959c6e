#include "front_door/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace ndb::local {
namespace {

namespace reflection = grpc::reflection::v1;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;

void not_found(std::string_view what, Response& response) {
  response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response.mutable_error_response()->set_error_message(cat("This server knows no ", what, '.'));
}

void add_file(const FileDescriptor& file, std::set<const FileDescriptor*>& seen, Response& response) {
  if (!seen.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.mutable_file_descriptor_response()->add_file_descriptor_proto());
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), seen, response);
}

void give_file(const FileDescriptor* file, std::string_view what, Response& response) {
  if (file == nullptr) return not_found(what, response);
  std::set<const FileDescriptor*> seen;
  add_file(*file, seen, response);
}

void answer(const Request& request, const std::set<std::string>& services, Response& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const std::string& name : services) response.mutable_list_services_response()->add_service()->set_name(name);
      return;
    case Request::kFileByFilename:
      return give_file(pool.FindFileByName(request.file_by_filename()), "file of that name", response);
    case Request::kFileContainingSymbol:
      return give_file(pool.FindFileContainingSymbol(request.file_containing_symbol()), "such symbol", response);
    case Request::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const Descriptor* type = pool.FindMessageTypeByName(wanted.containing_type());
      const FieldDescriptor* extension =
          type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
      return give_file(extension == nullptr ? nullptr : extension->file(), "such extension", response);
    }
    case Request::kAllExtensionNumbersOfType: {
      const Descriptor* type = pool.FindMessageTypeByName(request.all_extension_numbers_of_type());
      if (type == nullptr) return not_found("such type", response);
      auto& numbers = *response.mutable_all_extension_numbers_response();
      numbers.set_base_type_name(type->full_name());
      std::vector<const FieldDescriptor*> extensions;
      pool.FindAllExtensions(type, &extensions);
      for (const FieldDescriptor* extension : extensions) numbers.add_extension_number(extension->number());
      return;
    }
    default:
      response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error_response()->set_error_message("The request asks for nothing that this server knows.");
  }
}

}  // namespace

Reflection::Reflection(std::set<std::string> services, const Callers& callers) : services_(std::move(services)) {
  using Stream = grpc::ServerReaderWriter<Response, Request>;
  using Handler = grpc::internal::BidiStreamingHandler<Reflection, Request, Response>;
  using grpc::internal::RpcServiceMethod;
  const auto serve = [&callers](Reflection* self, grpc::ServerContext* context, Stream* stream) {
    if (grpc::Status status = callers.check(*context); !status.ok()) return status;
    Request request;
    while (stream->Read(&request)) {
      Response response;
      response.set_valid_host(request.host());
      *response.mutable_original_request() = request;
      answer(request, self->services_, response);
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  };
  for (const char* name : {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                           "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    auto handler = std::make_unique<Handler>(serve, this);
    auto rpc = std::make_unique<RpcServiceMethod>(name, RpcServiceMethod::BIDI_STREAMING, handler.release());
    AddMethod(rpc.release());
  }
}

}  // namespace ndb::local
