#include "local_datastore/engine.h"

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/commit.h"
#include "local_datastore/property_path.h"
#include "local_datastore/stored_bytes.h"

namespace ndb::local {
namespace {

// Clients keep gRPC's limit of 4 MiB for what they receive.
constexpr std::size_t kMaxResponseBytes = 3 << 20;

template <class Request>
absl::StatusOr<Scope> scope_of(const Request& request) {
  Scope scope{.project = request.project_id(), .database = request.database_id()};
  NDB_RETURN_IF_ERROR(check_scope(scope));
  return scope;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::open(const Options& options, const Clock& clock) {
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::open(options.store));
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<IdAllocator> ids, IdAllocator::open(*store));
  NDB_ASSIGN_OR_RETURN(const Version last_commit, load_last_commit(*store));
  return std::make_unique<Engine>(options, clock, std::move(store), std::move(ids), last_commit);
}

Engine::Engine(const Options& options, const Clock& clock, std::unique_ptr<KvStore> store,
               std::unique_ptr<IdAllocator> ids, Version last_commit)
    : options_(options),
      clock_(clock),
      store_(std::move(store)),
      ids_(std::move(ids)),
      commits_(clock, last_commit),
      transactions_(clock, commits_, options.transactions) {}

absl::StatusOr<Version> Engine::check_read_time(const google::protobuf::Timestamp& timestamp) {
  const Version at = to_version(timestamp);
  const Version now = clock_.now().time_since_epoch().count();
  if (at <= 0 || at < now - options_.history.count()) {
    return absl::FailedPreconditionError(cat("The requested read_time is too old; this database keeps ",
                                             options_.history.count() / 1'000'000, " seconds of history."));
  }
  if (!commits_.reach(at)) return absl::InvalidArgumentError("The requested read_time is in the future.");
  return at;
}

absl::StatusOr<std::shared_ptr<Transaction>> Engine::begin(const v1::TransactionOptions& options, const Scope& scope) {
  if (!options.has_read_only()) return transactions_.begin(scope, false);
  Version read_time = 0;
  if (options.read_only().has_read_time()) {
    NDB_ASSIGN_OR_RETURN(read_time, check_read_time(options.read_only().read_time()));
  }
  return transactions_.begin(scope, true, read_time);
}

absl::StatusOr<Engine::View> Engine::view(const v1::ReadOptions& options, const Scope& scope) {
  View view;
  switch (options.consistency_type_case()) {
    case v1::ReadOptions::kTransaction: {
      NDB_ASSIGN_OR_RETURN(view.transaction, transactions_.use(options.transaction(), scope));
      break;
    }
    case v1::ReadOptions::kNewTransaction: {
      NDB_ASSIGN_OR_RETURN(view.transaction, begin(options.new_transaction(), scope));
      view.new_transaction = view.transaction->id;
      break;
    }
    case v1::ReadOptions::kReadTime: {
      NDB_ASSIGN_OR_RETURN(view.at, check_read_time(options.read_time()));
      return view;
    }
    default:  // an eventual read may be strong
      view.at = commits_.read_time();
      return view;
  }
  view.at = view.transaction->snapshot;
  return view;
}

absl::Status Engine::lookup(v1::LookupRequest& request, v1::LookupResponse& response) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  if (request.keys().empty()) return absl::InvalidArgumentError("A lookup must have at least one key.");
  if (request.keys_size() > kMaxLookupKeys) {
    return absl::InvalidArgumentError(cat("cannot get more than ", kMaxLookupKeys, " keys in a single call"));
  }
  for (v1::Key& key : *request.mutable_keys()) NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kRead));
  NDB_ASSIGN_OR_RETURN(const View view, this->view(request.read_options(), scope));

  SnapshotReader reader(*store_, view.at);
  std::unordered_set<std::string> seen;
  std::size_t bytes = 0;
  for (v1::Key& key : *request.mutable_keys()) {
    std::string entity_key = StorageKey(key).entity();
    if (bytes > kMaxResponseBytes) {
      *response.add_deferred() = std::move(key);
      continue;
    }
    if (view.transaction != nullptr) view.transaction->note_key(entity_key);
    NDB_ASSIGN_OR_RETURN(const std::optional<StoredEntity> found, reader.find(entity_key));
    if (request.keys_size() > 1 && !seen.insert(std::move(entity_key)).second) continue;
    if (found.has_value()) {
      const std::size_t next = found->entity.size();
      if (bytes != 0 && bytes + next > kMaxResponseBytes) {
        bytes = kMaxResponseBytes + 1;
        *response.add_deferred() = std::move(key);
        continue;
      }
      bytes += next + 100;
      const v1::PropertyMask* mask = request.has_property_mask() ? &request.property_mask() : nullptr;
      NDB_RETURN_IF_ERROR(fill_result(*found, mask, *response.add_found()));
    } else {
      v1::EntityResult& missing = *response.add_missing();
      *missing.mutable_entity()->mutable_key() = std::move(key);
      missing.set_version(view.at);
      bytes += 100;
    }
  }
  set_timestamp(*response.mutable_read_time(), view.at);
  response.set_transaction(view.new_transaction);
  return absl::OkStatus();
}

absl::Status Engine::begin_transaction(v1::BeginTransactionRequest& request, v1::BeginTransactionResponse& response) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction, begin(request.transaction_options(), scope));
  response.set_transaction(transaction->id);
  return absl::OkStatus();
}

absl::Status Engine::rollback(v1::RollbackRequest& request, v1::RollbackResponse&) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  return transactions_.roll_back(request.transaction(), scope);
}

absl::Status Engine::allocate_ids(v1::AllocateIdsRequest& request, v1::AllocateIdsResponse& response) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  for (v1::Key& key : *request.mutable_keys()) NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kAllocate));
  for (v1::Key& key : *request.mutable_keys()) {
    NDB_RETURN_IF_ERROR(ids_->complete(key));
    *response.add_keys() = std::move(key);
  }
  return absl::OkStatus();
}

absl::Status Engine::reserve_ids(v1::ReserveIdsRequest& request, v1::ReserveIdsResponse&) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  KvStore::Batch batch;
  for (v1::Key& key : *request.mutable_keys()) {
    NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kWrite));
    reserve(batch, key);
  }
  return store_->write(batch);
}

absl::StatusOr<std::shared_ptr<Transaction>> Engine::transaction_of(const v1::CommitRequest& request,
                                                                    const Scope& scope) {
  const bool has_transaction = request.transaction_selector_case() != v1::CommitRequest::TRANSACTION_SELECTOR_NOT_SET;
  if (request.mode() == v1::CommitRequest::NON_TRANSACTIONAL) {
    if (has_transaction) return absl::InvalidArgumentError("non-transaction commit cannot specify a transaction");
    return nullptr;
  }
  if (!has_transaction) return absl::InvalidArgumentError("transactional commit requires a transaction");
  if (!request.has_single_use_transaction()) return transactions_.finish(request.transaction(), scope);
  if (request.single_use_transaction().has_read_only()) {
    return absl::InvalidArgumentError("A single_use_transaction must be read_write.");
  }
  return nullptr;  // nothing is read before its commit
}

absl::Status Engine::commit(v1::CommitRequest& request, v1::CommitResponse& response) {
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  NDB_RETURN_IF_ERROR(check_commit(request, scope));
  // Before the transaction is closed: from then on its snapshot no longer keeps the log of commits that it is checked
  // against, and another commit would forget them.
  MutexLock lock(commit_mutex_);
  NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction, transaction_of(request, scope));
  if (transaction != nullptr && transaction->read_only) {
    if (!request.mutations().empty()) {
      return absl::InvalidArgumentError("Cannot modify entities in a read-only transaction.");
    }
    set_timestamp(*response.mutable_commit_time(), transaction->snapshot);
    return absl::OkStatus();
  }
  return apply_and_write(request, transaction.get(), response);
}

absl::Status Engine::apply_and_write(v1::CommitRequest& request, const Transaction* transaction,
                                     v1::CommitResponse& response) {
  if (transaction != nullptr && !request.mutations().empty() && log_.changed_since(*transaction)) {
    return absl::AbortedError(
        "Aborted due to cross-transaction contention. This occurs when multiple transactions attempt to access the "
        "same "
        "data, requiring Firestore to abort at least one in order to enforce serializability.");
  }
  const Version commit_time = commits_.begin_commit();
  absl::StatusOr<std::vector<std::string>> written = write_commit(request, commit_time, *store_, *ids_, response);
  commits_.end_commit();
  if (!written.ok()) {
    response.Clear();
    return written.status();
  }
  // Only after the commit has ended: any transaction with an older snapshot is in the table by now.
  if (!written->empty()) log_.append(commit_time, *std::move(written));
  log_.forget_until(transactions_.oldest_snapshot());
  if (request.mode() != v1::CommitRequest::NON_TRANSACTIONAL) {
    set_timestamp(*response.mutable_commit_time(), commit_time);
  }
  return absl::OkStatus();
}

}  // namespace ndb::local
