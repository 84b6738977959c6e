// The methods behind gRPC.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/service_type.h>

#include <vector>

#include "front_door/callers.h"
#include "front_door/memory_budget.h"
#include "front_door/methods.h"

namespace ndb::local {

// Works on bytes rather than as a generated service, so that a request that cannot be parsed gets INVALID_ARGUMENT, and
// messages live in an arena. Handlers may block; gRPC's synchronous server then adds threads.
class Service final : public grpc::Service {
 public:
  // All arguments must outlive it.
  Service(const std::vector<Method>& methods, Callers& callers, MemoryBudget& memory);
};

// Answers calls of unknown methods with UNIMPLEMENTED and the method's name; gRPC's own answer has no message.
class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  explicit UnknownMethods(Callers& callers) : callers_(callers) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

 private:
  Callers& callers_;
};

}  // namespace ndb::local
