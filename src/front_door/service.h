// The methods behind gRPC.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <vector>

#include "front_door/methods.h"

namespace ndb::local {

// Works on bytes rather than as a generated service: a request that cannot be parsed gets INVALID_ARGUMENT, and
// messages live in an arena. Handlers may block; gRPC's synchronous server adds threads as they do.
class Service final : public grpc::Service {
 public:
  explicit Service(const std::vector<Method>& methods);  // which outlive it
};

}  // namespace ndb::local
