#include "front_door/methods.h"

#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

template <class Server, class Request, class Response>
Method method(const char* grpc, std::string_view http_path, Server& server,
              absl::Status (Server::*call)(const CallContext&, Request&, Response&),
              std::string_view http_verb = "POST") {
  return {.grpc = grpc,
          .http_verb = http_verb,
          .http_path = http_path,
          .request = Request::default_instance(),
          .response = Response::default_instance(),
          .call = [&server, call](const CallContext& context, Method::Message& request, Method::Message& response) {
            return (server.*call)(context, static_cast<Request&>(request), static_cast<Response&>(response));
          }};
}

}  // namespace

std::vector<Method> datastore_methods(Engine& engine) {
  return {
      method("/google.datastore.v1.Datastore/Lookup", "/v1/projects/{project_id}:lookup", engine, &Engine::lookup),
      method("/google.datastore.v1.Datastore/RunQuery", "/v1/projects/{project_id}:runQuery", engine,
             &Engine::run_query),
      method("/google.datastore.v1.Datastore/RunAggregationQuery", "/v1/projects/{project_id}:runAggregationQuery",
             engine, &Engine::run_aggregation_query),
      method("/google.datastore.v1.Datastore/BeginTransaction", "/v1/projects/{project_id}:beginTransaction", engine,
             &Engine::begin_transaction),
      method("/google.datastore.v1.Datastore/Commit", "/v1/projects/{project_id}:commit", engine, &Engine::commit),
      method("/google.datastore.v1.Datastore/Rollback", "/v1/projects/{project_id}:rollback", engine,
             &Engine::rollback),
      method("/google.datastore.v1.Datastore/AllocateIds", "/v1/projects/{project_id}:allocateIds", engine,
             &Engine::allocate_ids),
      method("/google.datastore.v1.Datastore/ReserveIds", "/v1/projects/{project_id}:reserveIds", engine,
             &Engine::reserve_ids),
  };
}

std::vector<Method> admin_methods(IndexAdmin& admin) {
  return {
      method("/google.datastore.admin.v1.DatastoreAdmin/ListIndexes", "/v1/projects/{project_id}/indexes", admin,
             &IndexAdmin::list_indexes, "GET"),
      method("/google.datastore.admin.v1.DatastoreAdmin/GetIndex", "/v1/projects/{project_id}/indexes/{index_id}",
             admin, &IndexAdmin::get_index, "GET"),
  };
}

absl::Status check_request_size(std::size_t bytes) {
  if (bytes <= kMaxRequestBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(cat("Request payload size exceeds the limit: ", kMaxRequestBytes, " bytes."));
}

}  // namespace ndb::local
