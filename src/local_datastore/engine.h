// The Datastore without its network side: one function per RPC, on messages.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/call_context.h"
#include "local_datastore/composite/index_catalog.h"
#include "local_datastore/concurrency/commit_clock.h"
#include "local_datastore/concurrency/commit_log.h"
#include "local_datastore/concurrency/gate.h"
#include "local_datastore/concurrency/history.h"
#include "local_datastore/concurrency/lock_table.h"
#include "local_datastore/concurrency/transactions.h"
#include "local_datastore/query/run.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/id_allocator.h"
#include "local_datastore/storage/kv_store.h"
#include "local_datastore/storage/version_store.h"
#include "local_datastore/write/commit.h"

namespace ndb::local {

// Thread-safe. A call changes its request in place, into the form that is stored. Reads outside of transactions take no
// lock: they read a snapshot. A commit locks what it changes, gets its time and its place in the write-ahead log under
// one mutex, and shares its fsync with others (group commit).
class Engine {
 public:
  struct Options {
    KvStore::Options store{};
    TransactionTable::Limits transactions{.total = std::chrono::seconds(270), .idle = std::chrono::seconds(60)};
    Concurrency concurrency = Concurrency::kPessimistic;
    std::chrono::nanoseconds lock_timeout = std::chrono::seconds(5);
    History::Limits history{};
    IndexCatalog::Options indexes{};
  };
  // The clock outlives the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> open(const Options& options, const Clock& clock);

  // Each call ends soon after call.check() is no longer OK, with that error. A commit that has begun to write is
  // finished nevertheless.
  absl::Status lookup(const CallContext& call, v1::LookupRequest& request, v1::LookupResponse& response);
  absl::Status run_query(const CallContext& call, v1::RunQueryRequest& request, v1::RunQueryResponse& response);
  absl::Status run_aggregation_query(const CallContext& call, v1::RunAggregationQueryRequest& request,
                                     v1::RunAggregationQueryResponse& response);
  absl::Status begin_transaction(const CallContext& call, v1::BeginTransactionRequest& request,
                                 v1::BeginTransactionResponse& response);
  absl::Status commit(const CallContext& call, v1::CommitRequest& request, v1::CommitResponse& response);
  absl::Status rollback(const CallContext& call, v1::RollbackRequest& request, v1::RollbackResponse& response);
  absl::Status allocate_ids(const CallContext& call, v1::AllocateIdsRequest& request,
                            v1::AllocateIdsResponse& response);
  absl::Status reserve_ids(const CallContext& call, v1::ReserveIdsRequest& request, v1::ReserveIdsResponse& response);

  // Empties all databases and their history, and ends all transactions. It waits for the calls in flight, and later
  // calls wait for it. Ids that were allocated are not allocated again.
  absl::Status reset();

  IndexCatalog& indexes() { return *indexes_; }
  const LockTable& locks() const { return locks_; }

  // Reports that a connection has closed, by the name that CallContext::connection() had: transactions that were used
  // over no other connection are aborted soon.
  void disconnected(std::string_view connection) { transactions_.disconnected(connection); }

  // Erases the versions that are beyond the limits of the history, and returns their number. A thread of the engine
  // does it every minute, and as soon as a commit has exceeded the limit of bytes.
  absl::StatusOr<std::size_t> collect_garbage();

  Engine(const Options& options, const Clock& clock, std::unique_ptr<KvStore> store, std::unique_ptr<IdAllocator> ids,
         std::unique_ptr<IndexCatalog> indexes, Version last_commit);  // use open()
  ~Engine();

 private:
  // Reads a snapshot, and adds what it reads to `reads`. May be called again.
  using Read = std::function<absl::Status(const Snapshot& snapshot, ReadSet& reads)>;

  // Calls `run` with the snapshot that the read options ask for: at a time, or of a transaction. If they begin a
  // transaction, its id is put into `new_transaction`. `known` is what `run` is certain to read.
  absl::Status read(const CallContext& call, const v1::ReadOptions& options, const Scope& scope, const ReadSet& known,
                    std::string& new_transaction, const Read& run);
  absl::Status read_in(const CallContext& call, Transaction& transaction, const ReadSet& known, const Read& run);
  absl::Status read_locked(const CallContext& call, Transaction& transaction, const ReadSet& known, const Read& run);

  // for_each_result(), and the same for metadata kinds.
  absl::Status results_of(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                          ReadStats& stats, const ConsumeResult& consume) const;
  absl::Status aggregate(const Snapshot& snapshot, const v1::AggregationQuery& query, const QueryPlan& plan,
                         ReadSet& reads, ReadStats& stats, v1::AggregationResultBatch& batch) const;

  absl::StatusOr<std::shared_ptr<Transaction>> begin(const CallContext& call, const v1::TransactionOptions& options,
                                                     const Scope& scope);
  absl::StatusOr<Version> check_read_time(const CallContext& call, const google::protobuf::Timestamp& timestamp);

  absl::StatusOr<std::shared_ptr<Transaction>> transaction_of(const CallContext& call, const v1::CommitRequest& request,
                                                              const Scope& scope);
  absl::Status lock(const CallContext& call, LockTable::Owner& owner, bool may_repeat, PendingCommit& pending);
  // `transaction` is nullptr for a commit of its own.
  absl::Status write(const CallContext& call, const Transaction* transaction, PendingCommit& pending,
                     v1::CommitResponse& response);

  // ABORTED if another commit has written something that an optimistic transaction has read, since its snapshot.
  absl::Status unchanged(const Transaction& transaction) const;

  absl::Status fit_history();
  void grow_history(std::size_t bytes);
  std::chrono::milliseconds keep_up();

  const Options options_;
  const Clock& clock_;
  const std::unique_ptr<KvStore> store_;
  const std::unique_ptr<IdAllocator> ids_;
  const std::unique_ptr<IndexCatalog> indexes_;
  CommitClock commits_;
  CommitLog log_;
  LockTable locks_;
  History history_;
  TransactionTable transactions_;
  Gate gate_;  // all RPCs pass it

  Mutex commit_mutex_;  // commits get their times in the order in which they are applied
  Mutex garbage_mutex_;
  GarbageCollector garbage_ NDB_GUARDED_BY(garbage_mutex_);
  CallContext upkeep_call_;  // ends with the engine
  Monotonic collected_{};
  Worker upkeep_;  // ends expired transactions, because others wait for their locks, and erases old versions
};

}  // namespace ndb::local
