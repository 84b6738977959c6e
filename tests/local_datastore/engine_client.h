// Calls of an Engine without a server around it, for tests that move its clock or end its calls.
#pragma once

#include <memory>
#include <string>

#include "local_datastore/datastore_client.h"
#include "local_datastore/engine.h"

namespace ndb::testing {

inline absl::Status engine_put(local::Engine& engine, const v1::Entity& entity, const local::CallContext& call,
                               std::int64_t* version = nullptr) {
  v1::CommitRequest request;
  request.set_project_id(kProject);
  request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  *request.add_mutations() = upsert(entity);
  v1::CommitResponse response;
  absl::Status status = engine.commit(call, request, response);
  if (status.ok() && version != nullptr) *version = response.mutation_results(0).version();
  return status;
}

// The transaction that it begins, if the options say so, is in `response`.
inline absl::Status engine_get(local::Engine& engine, const v1::Key& key, const local::CallContext& call,
                               const v1::ReadOptions& options, v1::LookupResponse& response) {
  v1::LookupRequest request;
  request.set_project_id(kProject);
  *request.add_keys() = key;
  *request.mutable_read_options() = options;
  v1::LookupResponse answer;
  const absl::Status status = engine.lookup(call, request, answer);
  response.ParseFromString(answer.SerializeAsString());  // entities are in the answer as bytes
  return status;
}

inline v1::ReadOptions new_transaction(bool read_only = false) {
  v1::ReadOptions options;
  options.mutable_new_transaction();
  if (read_only) options.mutable_new_transaction()->mutable_read_only();
  return options;
}
inline v1::ReadOptions in_transaction(const std::string& id) {
  v1::ReadOptions options;
  options.set_transaction(id);
  return options;
}

}  // namespace ndb::testing
