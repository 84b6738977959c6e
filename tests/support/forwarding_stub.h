// How tests get between a client and its Datastore.
#pragma once

#include <memory>
#include <utility>

#include "context/client_core.h"
#include "datastore/stub.h"
#include "ndb/client.h"

namespace ndb::testing {

// Hands every RPC on. Subclasses override what they want to see or change.
class ForwardingStub : public datastore::Stub {
 public:
  explicit ForwardingStub(std::unique_ptr<datastore::Stub> real) : real_(std::move(real)) {}

  void lookup(wire::LookupRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::LookupResponse> done) override {
    real_->lookup(std::move(request), options, std::move(done));
  }
  void commit(wire::CommitRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::CommitResponse> done) override {
    real_->commit(std::move(request), options, std::move(done));
  }
  void run_query(wire::RunQueryRequest request, const datastore::CallOptions& options,
                 datastore::Done<wire::RunQueryResponse> done) override {
    real_->run_query(std::move(request), options, std::move(done));
  }
  void run_aggregation_query(wire::RunAggregationQueryRequest request, const datastore::CallOptions& options,
                             datastore::Done<wire::RunAggregationQueryResponse> done) override {
    real_->run_aggregation_query(std::move(request), options, std::move(done));
  }
  void begin_transaction(wire::BeginTransactionRequest request, const datastore::CallOptions& options,
                         datastore::Done<wire::BeginTransactionResponse> done) override {
    real_->begin_transaction(std::move(request), options, std::move(done));
  }
  void rollback(wire::RollbackRequest request, const datastore::CallOptions& options,
                datastore::Done<wire::RollbackResponse> done) override {
    real_->rollback(std::move(request), options, std::move(done));
  }
  void allocate_ids(wire::AllocateIdsRequest request, const datastore::CallOptions& options,
                    datastore::Done<wire::AllocateIdsResponse> done) override {
    real_->allocate_ids(std::move(request), options, std::move(done));
  }
  void reserve_ids(wire::ReserveIdsRequest request, const datastore::CallOptions& options,
                   datastore::Done<wire::ReserveIdsResponse> done) override {
    real_->reserve_ids(std::move(request), options, std::move(done));
  }

 private:
  const std::unique_ptr<datastore::Stub> real_;
};

// A core with the options, stub and gateway of `client`, to be changed before a client is made of it; `client` is of no
// use any more.
inline std::shared_ptr<Client::Core> take_core(const Client& client) {
  auto core = std::make_shared<Client::Core>();
  core->options = client.core()->options;
  core->partition = client.core()->partition;
  core->gateway = std::move(client.core()->gateway);
  core->stub = std::move(client.core()->stub);
  core->shared = std::move(client.core()->shared);
  return core;
}

}  // namespace ndb::testing
