// A client for the tests of the local Datastore: the generated stub, and short functions to build messages.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/channel.h"
#include "google/datastore/v1/datastore.grpc.pb.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {

namespace v1 = google::datastore::v1;

inline constexpr char kProject[] = "test-project";

inline v1::Value integer(std::int64_t number) {
  v1::Value value;
  value.set_integer_value(number);
  return value;
}
inline v1::Value real(double number) {
  v1::Value value;
  value.set_double_value(number);
  return value;
}
inline v1::Value text(const std::string& string) {
  v1::Value value;
  value.set_string_value(string);
  return value;
}
inline v1::Value boolean(bool b) {
  v1::Value value;
  value.set_boolean_value(b);
  return value;
}
inline v1::Value null() {
  v1::Value value;
  value.set_null_value(google::protobuf::NULL_VALUE);
  return value;
}
inline v1::Value array(const std::vector<v1::Value>& elements) {
  v1::Value value;
  value.mutable_array_value();
  for (const v1::Value& element : elements) *value.mutable_array_value()->add_values() = element;
  return value;
}
inline v1::Value unindexed(v1::Value value) {
  value.set_exclude_from_indexes(true);
  return value;
}

// key("Parent", 1, "Child", "name"), and with a last kind alone an incomplete one.
inline void append_path(v1::Key&) {}
template <class... Rest>
void append_path(v1::Key& key, const std::string& kind, const Rest&... rest);
template <class... Rest>
void append_id(v1::Key& key, std::int64_t id, const Rest&... rest) {
  key.mutable_path(key.path_size() - 1)->set_id(id);
  append_path(key, rest...);
}
template <class... Rest>
void append_id(v1::Key& key, const std::string& name, const Rest&... rest) {
  key.mutable_path(key.path_size() - 1)->set_name(name);
  append_path(key, rest...);
}
inline void append_id(v1::Key&) {}
template <class... Rest>
void append_path(v1::Key& key, const std::string& kind, const Rest&... rest) {
  key.add_path()->set_kind(kind);
  append_id(key, rest...);
}
template <class... Path>
v1::Key key(const Path&... path) {
  v1::Key key;
  append_path(key, path...);
  return key;
}
inline v1::Value key_value(const v1::Key& key) {
  v1::Value value;
  *value.mutable_key_value() = key;
  return value;
}

using Properties = std::vector<std::pair<std::string, v1::Value>>;
inline v1::Value nested(const Properties& properties) {
  v1::Value value;
  value.mutable_entity_value();
  for (const auto& [name, part] : properties) (*value.mutable_entity_value()->mutable_properties())[name] = part;
  return value;
}
inline v1::Entity entity(const v1::Key& key, const Properties& properties = {}) {
  v1::Entity entity;
  *entity.mutable_key() = key;
  for (const auto& [name, value] : properties) (*entity.mutable_properties())[name] = value;
  return entity;
}

inline v1::Mutation upsert(const v1::Entity& entity) {
  v1::Mutation mutation;
  *mutation.mutable_upsert() = entity;
  return mutation;
}
inline v1::Mutation insert(const v1::Entity& entity) {
  v1::Mutation mutation;
  *mutation.mutable_insert() = entity;
  return mutation;
}
inline v1::Mutation update(const v1::Entity& entity) {
  v1::Mutation mutation;
  *mutation.mutable_update() = entity;
  return mutation;
}
inline v1::Mutation erase(const v1::Key& key) {
  v1::Mutation mutation;
  *mutation.mutable_delete_() = key;
  return mutation;
}

// The outcome of a call: a status, and a response if it is OK.
template <class Response>
struct Reply {
  grpc::Status status;
  Response response;

  bool ok() const { return status.ok(); }
  const Response* operator->() const {
    EXPECT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
    return &response;
  }
};

// Valid as long as the server.
inline std::shared_ptr<grpc::Channel> grpc_channel(LocalDatastore& server) {
  return Channel::Use(*server.channel()).grpc();
}

class DatastoreClient {
 public:
  explicit DatastoreClient(std::shared_ptr<grpc::Channel> channel, std::string database = "")
      : stub_(v1::Datastore::NewStub(std::move(channel))), database_(std::move(database)) {}
  explicit DatastoreClient(LocalDatastore& server, std::string database = "")
      : DatastoreClient(grpc_channel(server), std::move(database)) {}

  template <class Request, class Response>
  Reply<Response> call(grpc::Status (v1::Datastore::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       Request request) {
    if (request.project_id().empty()) request.set_project_id(kProject);
    if (request.database_id().empty()) request.set_database_id(database_);
    grpc::ClientContext context;
    Reply<Response> reply;
    reply.status = (stub_.get()->*method)(&context, request, &reply.response);
    return reply;
  }

  Reply<v1::CommitResponse> commit(const std::vector<v1::Mutation>& mutations) {
    v1::CommitRequest request;
    request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
    for (const v1::Mutation& mutation : mutations) *request.add_mutations() = mutation;
    return call(&v1::Datastore::Stub::Commit, request);
  }
  Reply<v1::CommitResponse> commit(const std::string& transaction, const std::vector<v1::Mutation>& mutations) {
    v1::CommitRequest request;
    request.set_transaction(transaction);
    for (const v1::Mutation& mutation : mutations) *request.add_mutations() = mutation;
    return call(&v1::Datastore::Stub::Commit, request);
  }

  Reply<v1::LookupResponse> lookup(const std::vector<v1::Key>& keys, const v1::ReadOptions& options = {}) {
    v1::LookupRequest request;
    *request.mutable_read_options() = options;
    for (const v1::Key& key : keys) *request.add_keys() = key;
    return call(&v1::Datastore::Stub::Lookup, request);
  }
  Reply<v1::LookupResponse> lookup(const std::string& transaction, const std::vector<v1::Key>& keys) {
    v1::ReadOptions options;
    options.set_transaction(transaction);
    return lookup(keys, options);
  }

  std::string begin(bool read_only = false) {
    v1::BeginTransactionRequest request;
    if (read_only) request.mutable_transaction_options()->mutable_read_only();
    return call(&v1::Datastore::Stub::BeginTransaction, request)->transaction();
  }
  grpc::Status rollback(const std::string& transaction) {
    v1::RollbackRequest request;
    request.set_transaction(transaction);
    return call(&v1::Datastore::Stub::Rollback, request).status;
  }

  Reply<v1::RunQueryResponse> run(const v1::Query& query, const v1::ReadOptions& options = {},
                                  const std::string& name_space = "") {
    v1::RunQueryRequest request;
    *request.mutable_query() = query;
    *request.mutable_read_options() = options;
    request.mutable_partition_id()->set_namespace_id(name_space);
    return call(&v1::Datastore::Stub::RunQuery, request);
  }

  // The integer property `name` of an entity; -1 if there is no such entity.
  std::int64_t number(const v1::Key& key, const std::string& name = "n") {
    const auto reply = lookup({key});
    return reply->found().empty() ? -1 : reply->found(0).entity().properties().at(name).integer_value();
  }

  const std::string& database() const { return database_; }

 private:
  std::unique_ptr<v1::Datastore::Stub> stub_;
  std::string database_;
};

}  // namespace ndb::testing
