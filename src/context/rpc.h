// One RPC that its caller waits for, and how its times are read.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "context/impl.h"

namespace ndb {

// Calls one RPC of the stub and waits for the answer; other tasklets go on meanwhile.
template <class Request, class Response>
absl::StatusOr<Response> call_rpc(Context::Impl& context,
                                  void (datastore::Stub::*rpc)(Request, const datastore::CallOptions&,
                                                               datastore::Done<Response>),
                                  Request request, const datastore::CallOptions& options = {}) {
  auto answer = std::make_shared<detail::FutureState<Response>>();
  (context.core->stub.get()->*rpc)(
      std::move(request), options,
      context.on_loop<Response>([answer](absl::StatusOr<Response> response) { answer->set(std::move(response)); }));
  answer->wait();
  if (absl::Status status = answer->status(); !status.ok()) return status;
  return std::move(answer->value());
}

inline WallTime to_wall_time(const wire::Timestamp& t) {
  return WallTime(std::chrono::seconds(t.seconds()) + std::chrono::microseconds(t.nanos() / 1000));
}

}  // namespace ndb
