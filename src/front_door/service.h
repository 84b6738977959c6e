// The methods behind gRPC.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <vector>

#include "front_door/methods.h"
#include "front_door/token.h"

namespace ndb::local {

// Works on bytes rather than as a generated service: a request that cannot be parsed gets INVALID_ARGUMENT, and
// messages live in an arena. Handlers may block; gRPC's synchronous server adds threads as they do.
class Service final : public grpc::Service {
 public:
  // Both outlive it.
  Service(const std::vector<Method>& methods, const Token& token);
};

// UNAUTHENTICATED unless the caller shows the token, or is in this process.
grpc::Status check_caller(const grpc::ServerContext& context, const Token& token);

}  // namespace ndb::local
