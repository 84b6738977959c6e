// gRPC's server reflection: how tools such as grpcurl discover the services of a server.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <set>
#include <string>

#include "front_door/callers.h"

namespace ndb::local {

// grpc.reflection.v1, also under its older name v1alpha. gRPC's own library is not used, because it would add itself to
// every server of the process and cannot require a token.
class Reflection final : public grpc::Service {
 public:
  // `services`: the names to list. `callers` must outlive it.
  Reflection(std::set<std::string> services, const Callers& callers);

 private:
  const std::set<std::string> services_;
};

}  // namespace ndb::local
