// One RPC that its caller waits for, and how its times are read.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "context/context_impl.h"

namespace ndb::context {

template <class Request, class Response>
using Rpc = void (datastore::Stub::*)(Request, const datastore::CallOptions&, datastore::Done<Response>);

// Sends one RPC of the stub. The context is not quiet before the answer is there.
template <class Request, class Response>
std::shared_ptr<detail::FutureState<Response>> start_rpc(Context::Impl& context, Rpc<Request, Response> rpc,
                                                         Request request, const datastore::CallOptions& options = {}) {
  auto answer = std::make_shared<detail::FutureState<Response>>();
  (context.core->stub.get()->*rpc)(
      std::move(request), options,
      context.on_loop<Response>([answer](absl::StatusOr<Response> response) { answer->set(std::move(response)); }));
  return answer;
}

// Calls one RPC and waits for the answer; other tasklets go on meanwhile.
template <class Request, class Response>
absl::StatusOr<Response> call_rpc(Context::Impl& context, Rpc<Request, Response> rpc, Request request,
                                  const datastore::CallOptions& options = {}) {
  const auto answer = start_rpc(context, rpc, std::move(request), options);
  answer->wait();
  if (absl::Status status = answer->status(); !status.ok()) return status;
  return std::move(answer->value());
}

inline WallTime to_wall_time(const wire::Timestamp& t) {
  return WallTime(std::chrono::seconds(t.seconds()) + std::chrono::microseconds(t.nanos() / 1000));
}

}  // namespace ndb::context
