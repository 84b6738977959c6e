// The engine behind gRPC.
#pragma once

#include <grpcpp/impl/service_type.h>

#include "local_datastore/engine.h"

namespace ndb::local {

// google.datastore.v1.Datastore on bytes rather than on the generated service: a request that cannot be parsed gets
// INVALID_ARGUMENT, and messages live in an arena. Handlers may block; gRPC's synchronous server adds threads as they
// do.
class Service final : public grpc::Service {
 public:
  explicit Service(Engine& engine);  // which outlives it

 private:
  template <class Request, class Response>
  void serve(const char* method, absl::Status (Engine::*call)(Request&, Response&));

  Engine& engine_;
};

}  // namespace ndb::local
