// The methods of the local Datastore, in one table for all transports: gRPC, and HTTP with JSON or protobuf.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/call_context.h"
#include "local_datastore/composite/index_admin.h"
#include "local_datastore/engine.h"

namespace ndb::local {

// One method, under its two names. Another API is another function that returns such a table.
struct Method {
  using Message = google::protobuf::Message;

  const char* grpc;            // "/package.Service/Method"
  std::string_view http_verb;  // "POST"
  std::string_view http_path;  // "/v1/projects/{project_id}:lookup": names in braces are string fields of the request
  const Message& request;      // prototypes of the two types
  const Message& response;
  // Thread-safe; may block until the call has ended. May modify the request.
  std::function<absl::Status(const CallContext& call, Message& request, Message& response)> call;
};

// google.datastore.v1.Datastore. The engine must outlive the table.
std::vector<Method> datastore_methods(Engine& engine);
// google.datastore.admin.v1.DatastoreAdmin; `admin` must outlive the table.
std::vector<Method> admin_methods(IndexAdmin& admin);

// INVALID_ARGUMENT for a request larger than the cloud accepts.
absl::Status check_request_size(std::size_t bytes);

}  // namespace ndb::local
