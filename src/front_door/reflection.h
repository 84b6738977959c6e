// gRPC's server reflection: what tools such as grpcurl ask a server about itself.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <set>
#include <string>

#include "front_door/callers.h"

namespace ndb::local {

// grpc.reflection.v1, and under its older name v1alpha. Not gRPC's own library, which would add itself to every server
// of the process, and cannot ask for a token.
class Reflection final : public grpc::Service {
 public:
  // The names of the services to list. The callers outlive it.
  Reflection(std::set<std::string> services, const Callers& callers);

 private:
  const std::set<std::string> services_;
};

}  // namespace ndb::local
