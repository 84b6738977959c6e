// One RPC that its caller waits for.
#pragma once

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "context/time_left.h"
#include "context/workspace.h"
#include "datastore/stub.h"
#include "ndb/future.h"

namespace ndb::context {

template <class Request, class Response>
using Rpc = void (datastore::Stub::*)(Request, const datastore::CallOptions&, datastore::Done<Response>);

// Sends one RPC of the stub, which ends with `bounds` (null: none). The context counts it as in flight until it is
// answered.
template <class Request, class Response>
std::shared_ptr<detail::FutureState<Response>> start_rpc(Workspace& workspace, const std::shared_ptr<Bounds>& bounds,
                                                         Rpc<Request, Response> rpc, Request request,
                                                         const datastore::CallOptions& options) {
  auto answer = std::make_shared<detail::FutureState<Response>>();
  if (absl::Status over = check(bounds.get()); !over.ok()) {
    answer->fail(std::move(over));
    return answer;
  }
  (workspace.stub().*rpc)(std::move(request), within(bounds.get(), options),
                          workspace.in_flight->on_loop<Response>(bounds, [answer](absl::StatusOr<Response> response) {
                            answer->set(std::move(response));
                          }));
  return answer;
}

// Calls one RPC and waits for the answer; other tasklets run meanwhile.
template <class Request, class Response>
absl::StatusOr<Response> call_rpc(Workspace& workspace, const std::shared_ptr<Bounds>& bounds,
                                  Rpc<Request, Response> rpc, Request request, const datastore::CallOptions& options) {
  const auto answer = start_rpc(workspace, bounds, rpc, std::move(request), options);
  answer->wait();
  if (absl::Status status = answer->status(); !status.ok()) return status;
  return std::move(answer->value());
}

}  // namespace ndb::context
