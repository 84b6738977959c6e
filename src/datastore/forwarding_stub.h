// The base class of decorators of a stub.
#pragma once

#include <memory>
#include <utility>

#include "datastore/stub.h"

namespace ndb::datastore {

// Forwards every RPC. Subclasses override the RPCs that they observe or change. As thread-safe as the stub that it
// owns.
class ForwardingStub : public Stub {
 public:
  explicit ForwardingStub(std::unique_ptr<Stub> next) : next_(std::move(next)) {}

#define NDB_FORWARD(function, Name, idempotent)                                                                      \
  void function(wire::Name##Request request, const CallOptions& options, Done<wire::Name##Response> done) override { \
    next_->function(std::move(request), options, std::move(done));                                                   \
  }
  NDB_DATASTORE_RPCS(NDB_FORWARD)
#undef NDB_FORWARD

 private:
  const std::unique_ptr<Stub> next_;
};

}  // namespace ndb::datastore
