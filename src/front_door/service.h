// The methods behind gRPC.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/service_type.h>

#include <vector>

#include "front_door/callers.h"
#include "front_door/memory_budget.h"
#include "front_door/methods.h"

namespace ndb::local {

// Works on bytes rather than as a generated service: a request that cannot be parsed gets INVALID_ARGUMENT, and
// messages live in an arena. Handlers may block; gRPC's synchronous server adds threads as they do.
class Service final : public grpc::Service {
 public:
  // All outlive it.
  Service(const std::vector<Method>& methods, Callers& callers, MemoryBudget& memory);
};

// Answers the calls of methods that are not there: UNIMPLEMENTED, with their name, for which gRPC has no words.
class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  explicit UnknownMethods(Callers& callers) : callers_(callers) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

 private:
  Callers& callers_;
};

}  // namespace ndb::local
