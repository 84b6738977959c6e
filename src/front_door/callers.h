// The callers over gRPC: whether they may call, and whether they still wait.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <list>
#include <optional>

#include "base/mutex.h"
#include "base/worker.h"
#include "front_door/grpc_connections.h"
#include "front_door/token.h"
#include "local_datastore/call_context.h"

namespace ndb::local {

// Thread-safe.
class Callers {
 public:
  // Both outlive it.
  Callers(const Token& token, GrpcConnections& connections);

  // UNAUTHENTICATED unless the caller sends the token or is in this process.
  grpc::Status check(const grpc::ServerContextBase& context) const;

  // While it lives, cancels a call when its client cancels. gRPC's synchronous server must be polled for that.
  class Watch {
   public:
    Watch(Callers& callers, const grpc::ServerContext& context);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    const CallContext& call() const { return call_; }

   private:
    friend class Callers;
    Callers& callers_;
    const grpc::ServerContext& context_;
    CallContext call_;
    std::list<Watch*>::iterator place_;
  };

 private:
  std::optional<std::chrono::milliseconds> look();

  const Token& token_;
  GrpcConnections& connections_;
  Mutex mutex_;
  std::list<Watch*> watched_ NDB_GUARDED_BY(mutex_);
  bool looking_ NDB_GUARDED_BY(mutex_) = false;
  Worker worker_;
};

// Shortens long messages: as headers they would be too long, and clients would get an error with another code.
grpc::Status to_grpc(const absl::Status& status);

}  // namespace ndb::local
