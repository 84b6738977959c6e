// The Datastore: one function per RPC, on messages, knowing nothing of how they arrive.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/commit_clock.h"
#include "local_datastore/id_allocator.h"
#include "local_datastore/kv_store.h"
#include "local_datastore/rules.h"
#include "local_datastore/transactions.h"
#include "local_datastore/version_store.h"

namespace ndb::local {

// Thread-safe. Requests are brought into their stored form in place, so each belongs to its call. Reads take no lock:
// they see the store at a read time. Commits run one at a time; a commit of a transaction is refused with ABORTED if
// anything that the transaction has read was written after its snapshot (optimistic concurrency, serializable).
class Engine {
 public:
  struct Options {
    KvStore::Options store{};
    TransactionTable::Limits transactions{.total = std::chrono::seconds(270), .idle = std::chrono::seconds(60)};
    std::chrono::microseconds history = std::chrono::hours(1);
  };
  // The clock outlives the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> open(const Options& options, const Clock& clock);

  absl::Status lookup(v1::LookupRequest& request, v1::LookupResponse& response);
  absl::Status run_query(v1::RunQueryRequest& request, v1::RunQueryResponse& response);
  absl::Status run_aggregation_query(v1::RunAggregationQueryRequest& request,
                                     v1::RunAggregationQueryResponse& response);
  absl::Status begin_transaction(v1::BeginTransactionRequest& request, v1::BeginTransactionResponse& response);
  absl::Status commit(v1::CommitRequest& request, v1::CommitResponse& response);
  absl::Status rollback(v1::RollbackRequest& request, v1::RollbackResponse& response);
  absl::Status allocate_ids(v1::AllocateIdsRequest& request, v1::AllocateIdsResponse& response);
  absl::Status reserve_ids(v1::ReserveIdsRequest& request, v1::ReserveIdsResponse& response);

  Engine(const Options& options, const Clock& clock, std::unique_ptr<KvStore> store, std::unique_ptr<IdAllocator> ids,
         Version last_commit);  // use open()

 private:
  // What a read sees, and whose read set it adds to.
  struct View {
    Version at = 0;
    std::shared_ptr<Transaction> transaction{};
    std::string new_transaction{};  // for the response, if the read began it
  };
  absl::StatusOr<View> view(const v1::ReadOptions& options, const Scope& scope);
  absl::StatusOr<std::shared_ptr<Transaction>> begin(const v1::TransactionOptions& options, const Scope& scope);
  absl::StatusOr<Version> check_read_time(const google::protobuf::Timestamp& timestamp);

  absl::StatusOr<std::shared_ptr<Transaction>> transaction_of(const v1::CommitRequest& request, const Scope& scope);
  absl::Status apply_and_write(v1::CommitRequest& request, const Transaction* transaction, v1::CommitResponse& response)
      NDB_REQUIRES(commit_mutex_);

  const Options options_;
  const Clock& clock_;
  const std::unique_ptr<KvStore> store_;
  const std::unique_ptr<IdAllocator> ids_;
  CommitClock commits_;
  TransactionTable transactions_;

  Mutex commit_mutex_;  // one commit at a time
  CommitLog log_ NDB_GUARDED_BY(commit_mutex_);
};

}  // namespace ndb::local
