// Synchronous calls of the Datastore.
#pragma once

#include <future>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "datastore/stub.h"
#include "ndb/client.h"

namespace ndb::tools {

// A client without memcache, for a command that reports its errors itself: the log sink is replaced and shows only
// errors. Throws ndb::Error for invalid options.
Client client_of_datastore(ClientOptions options);

// Sends a request at once; the future gets the answer. If the stub is destroyed earlier, calls in flight fail.
template <class Request, class Response>
std::future<absl::StatusOr<Response>> send(datastore::Stub& stub,
                                           void (datastore::Stub::*rpc)(Request, const datastore::CallOptions&,
                                                                        datastore::Done<Response>),
                                           Request request, const datastore::CallOptions& options = {}) {
  auto answer = std::make_shared<std::promise<absl::StatusOr<Response>>>();
  auto future = answer->get_future();
  (stub.*rpc)(std::move(request), options,
              [answer](absl::StatusOr<Response> response) { answer->set_value(std::move(response)); });
  return future;
}

}  // namespace ndb::tools
