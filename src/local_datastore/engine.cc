#include "local_datastore/engine.h"

#include <optional>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"
#include "local_datastore/storage/version_store.h"
#include "local_datastore/write/stored_bytes.h"

namespace ndb::local {
namespace {

template <class Request>
absl::StatusOr<Scope> scope_of(const Request& request) {
  Scope scope{.project = request.project_id(), .database = request.database_id()};
  NDB_RETURN_IF_ERROR(check_scope(scope));
  return scope;
}

absl::Status look_up(const Snapshot& snapshot, const v1::LookupRequest& request, const ReadMask* mask,
                     v1::LookupResponse& response) {
  response.clear_found();
  response.clear_missing();
  response.clear_deferred();
  SnapshotReader reader(snapshot);
  std::unordered_set<std::string, StringHash> seen;
  std::size_t bytes = 0;
  for (const v1::Key& key : request.keys()) {
    std::string row = StorageKey(key).entity();
    if (bytes > kMaxResponseBytes) {
      *response.add_deferred() = key;
      continue;
    }
    NDB_ASSIGN_OR_RETURN(const std::optional<Row> found, reader.find(row));
    if (request.keys_size() > 1 && !seen.insert(std::move(row)).second) continue;
    if (found.has_value()) {
      const StoredEntity stored = to_entity(*found);
      if (bytes != 0 && bytes + stored.entity.size() > kMaxResponseBytes) {
        bytes = kMaxResponseBytes + 1;
        *response.add_deferred() = key;
        continue;
      }
      bytes += stored.entity.size() + 100;
      NDB_RETURN_IF_ERROR(fill_result(stored, mask, *response.add_found()));
    } else {
      v1::EntityResult& missing = *response.add_missing();
      *missing.mutable_entity()->mutable_key() = key;
      missing.set_version(snapshot.at.micros());
      bytes += 100;
    }
  }
  set_timestamp(*response.mutable_read_time(), snapshot.at);
  return absl::OkStatus();
}

constexpr std::chrono::minutes kCollectEvery{1};

// The prefix of rows that belong to no database; see storage_key.h.
constexpr std::string_view kOwnNumbers = "M";

// The name of a row of the store in errors.
std::string describe_row(std::string_view row) {
  std::string text;
  std::string kind;
  std::string property;
  std::string_view rest = row.substr(std::min<std::size_t>(row.size(), 1));
  for (int i = 0; i < 3; ++i) {
    if (!take_escaped(rest, text)) return "all entities";
  }
  v1::Key key;
  if (row.starts_with('D')) return decode_path(rest, key) ? "entity " + describe_path(key) : "all entities";
  if (!take_escaped(rest, kind)) return "all kinds";
  if (!row.starts_with('I') || !take_escaped(rest, property)) return cat("the kind ", kind);
  return cat("the index of ", kind, ".", property);
}

// The layout of the store, so that a store with another layout is refused.
constexpr std::string_view kFormatKey = "Mformat";
constexpr std::string_view kFormat = "2";

absl::Status check_format(KvStore& store) {
  NDB_ASSIGN_OR_RETURN(const std::optional<std::string> format, store.get(kFormatKey));
  if (format == kFormat) return absl::OkStatus();
  KvStore::Cursor first = store.cursor();
  first.seek("");
  NDB_RETURN_IF_ERROR(first.status());
  if (first.valid()) {
    return absl::FailedPreconditionError(cat("the data directory was written in format ", format.value_or("1"),
                                             " and this version reads format ", kFormat,
                                             " only; give it an empty directory"));
  }
  KvStore::Batch batch;
  batch.put(kFormatKey, kFormat);
  return store.write(batch);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::open(const Options& options, const Clock& clock) {
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::open(options.store));
  NDB_RETURN_IF_ERROR(check_format(*store));
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<IndexCatalog> indexes, IndexCatalog::open(options.indexes));
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<IdAllocator> ids, IdAllocator::open(*store));
  NDB_ASSIGN_OR_RETURN(const Version last_commit, load_last_commit(*store));
  auto engine =
      std::make_unique<Engine>(options, clock, std::move(store), std::move(ids), std::move(indexes), last_commit);
  NDB_RETURN_IF_ERROR(engine->fit_history());
  engine->upkeep_.wake();
  return engine;
}

Engine::Engine(const Options& options, const Clock& clock, std::unique_ptr<KvStore> store,
               std::unique_ptr<IdAllocator> ids, std::unique_ptr<IndexCatalog> indexes, Version last_commit)
    : options_(options),
      clock_(clock),
      store_(std::move(store)),
      ids_(std::move(ids)),
      indexes_(std::move(indexes)),
      commits_(clock, last_commit),
      log_(commits_),
      locks_(clock, describe_row),
      history_(clock, options.history),
      transactions_(clock, commits_, log_, locks_, history_, options.concurrency, options.transactions),
      garbage_(*store_),
      collected_(clock.monotonic()),
      upkeep_([this] { return keep_up(); }) {}

Engine::~Engine() { upkeep_call_.cancel(absl::UnavailableError("the local Datastore is being closed")); }

// Counts what earlier processes have left, too.
absl::Status Engine::fit_history() {
  if (!options_.history.bytes.has_value()) return absl::OkStatus();
  {
    const MutexLock lock(garbage_mutex_);
    NDB_ASSIGN_OR_RETURN(const std::size_t bytes, garbage_.measure(upkeep_call_));
    history_.add(bytes);
  }
  return collect_garbage().status();
}

std::chrono::milliseconds Engine::keep_up() {
  transactions_.sweep();
  indexes_->flush();
  const Monotonic now = clock_.monotonic();
  if (now - collected_ >= kCollectEvery || history_.excess() > 0) {
    collected_ = now;
    if (const auto collected = collect_garbage(); !collected.ok() && upkeep_call_.check().ok()) {
      log(Severity::kError,
          cat("the local Datastore cannot erase old versions: ", from_absl(collected.status().message())));
    }
  }
  return std::chrono::seconds(1);
}

absl::StatusOr<std::size_t> Engine::collect_garbage() {
  const MutexLock lock(garbage_mutex_);
  const Version latest = commits_.read_time();
  return garbage_.collect(
      upkeep_call_, [&](Version commit) { return history_.forget(commit, latest); },
      [&](std::size_t bytes) { history_.remove(bytes); });
}

// Ends transactions first, so that no call in flight waits for their locks, and again after these calls, which may have
// begun others.
absl::Status Engine::reset() {
  {
    Gate::Closure closure(gate_);
    transactions_.end_all();
    closure.drain();
    transactions_.end_all();
    KvStore::Batch batch;
    batch.erase_range("", kOwnNumbers);
    batch.erase_range(after_prefix(kOwnNumbers), "\xff");
    NDB_RETURN_IF_ERROR(store_->write(batch));
    history_.clear();
  }
  return store_->compact();
}

absl::StatusOr<Version> Engine::check_read_time(const CallContext& call, const google::protobuf::Timestamp& timestamp) {
  const Version at = to_version(timestamp);
  NDB_ASSIGN_OR_RETURN(const bool reached, commits_.reach(at, call));
  if (!reached) return absl::InvalidArgumentError("The requested read_time is in the future.");
  return at;
}

absl::StatusOr<std::shared_ptr<Transaction>> Engine::begin(const CallContext& call,
                                                           const v1::TransactionOptions& options, const Scope& scope) {
  TransactionTable::Start start{.read_only = options.has_read_only(),
                                .previous = options.read_write().previous_transaction()};
  if (options.read_only().has_read_time()) {
    NDB_ASSIGN_OR_RETURN(start.read_time, check_read_time(call, options.read_only().read_time()));
  }
  return transactions_.begin(call, scope, start);
}

absl::Status Engine::read(const CallContext& call, const v1::ReadOptions& options, const Scope& scope,
                          const ReadSet& known, std::string& new_transaction, const Read& run) {
  ReadSet ignored{.ignored = true};
  switch (options.consistency_type_case()) {
    case v1::ReadOptions::kTransaction: {
      NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction,
                           transactions_.use(call, options.transaction(), scope));
      return read_in(call, *transaction, known, run);
    }
    case v1::ReadOptions::kNewTransaction: {
      NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction,
                           begin(call, options.new_transaction(), scope));
      absl::Status status = read_in(call, *transaction, known, run);
      if (status.ok()) status = call.check();
      // If the read failed, nobody learns the transaction's name.
      if (status.ok()) {
        new_transaction = transaction->id;
      } else {
        transactions_.abort(*transaction);
      }
      return status;
    }
    case v1::ReadOptions::kReadTime: {
      NDB_ASSIGN_OR_RETURN(const Version at, check_read_time(call, options.read_time()));
      const HistoryHold hold(history_, at);
      NDB_RETURN_IF_ERROR(hold.status());
      return run({.store = *store_, .at = at, .call = call}, ignored);
    }
    default: {  // an eventual read may be strongly consistent
      const HistoryHold hold(history_, commits_);
      return run({.store = *store_, .at = hold.at(), .call = call}, ignored);
    }
  }
}

absl::Status Engine::read_in(const CallContext& call, Transaction& transaction, const ReadSet& known, const Read& run) {
  if (transaction.snapshot.is_zero()) return read_locked(call, transaction, known, run);
  ReadSet reads = known;
  reads.ignored = transaction.read_only;
  NDB_RETURN_IF_ERROR(run({.store = *store_, .at = transaction.snapshot, .call = call}, reads));
  if (!transaction.read_only) transaction.note(std::move(reads));
  return absl::OkStatus();
}

// What a query reads is known only after it has run, so it runs first and locks its read set afterwards. If a commit
// has written to the read set in between, the query runs again; what is locked by then can no longer change.
absl::Status Engine::read_locked(const CallContext& call, Transaction& transaction, const ReadSet& known,
                                 const Read& run) {
  constexpr int kMaxRuns = 100;
  const Monotonic until = clock_.monotonic() + options_.lock_timeout;
  absl::Status locked = locks_.share(call, transaction.locks, known, until);
  for (int i = 0; locked.ok() && i < kMaxRuns; ++i) {
    NDB_RETURN_IF_ERROR(call.check());
    const Version at = log_.pin();
    const HistoryHold hold(history_, at);
    ReadSet reads;
    absl::Status status = hold.status();
    if (status.ok()) status = run({.store = *store_, .at = at, .call = call}, reads);
    if (status.ok()) locked = locks_.share(call, transaction.locks, reads, until);
    const bool changed = !hold.status().ok() || log_.changed_since(at, reads) || log_.changed_since(at, known);
    log_.unpin(at);
    if (locked.ok() && !changed) return status;
  }
  NDB_RETURN_IF_ERROR(call.check());  // the transaction stays open
  if (absl::IsFailedPrecondition(locked)) return transactions_.use(call, transaction.id, transaction.scope).status();
  transactions_.abort(transaction);
  if (!locked.ok()) return locked;
  return contention_error(
      cat("What ", transaction.locks.name, " reads was written each of ", kMaxRuns, " times that it looked."));
}

absl::Status Engine::lookup(const CallContext& call, v1::LookupRequest& request, v1::LookupResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  if (request.keys().empty()) return absl::InvalidArgumentError("A lookup must have at least one key.");
  if (request.keys_size() > kMaxLookupKeys) {
    return absl::InvalidArgumentError(cat("cannot get more than ", kMaxLookupKeys, " keys in a single call"));
  }
  for (v1::Key& key : *request.mutable_keys()) NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kRead));
  NDB_ASSIGN_OR_RETURN(const std::optional<ReadMask> mask, mask_of(request));
  ReadSet known;
  for (const v1::Key& key : request.keys()) known.keys.insert(StorageKey(key).entity());
  return read(call, request.read_options(), scope, known, *response.mutable_transaction(),
              [&](const Snapshot& snapshot, ReadSet&) {
                return look_up(snapshot, request, mask ? &*mask : nullptr, response);
              });
}

absl::Status Engine::begin_transaction(const CallContext& call, v1::BeginTransactionRequest& request,
                                       v1::BeginTransactionResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction,
                       begin(call, request.transaction_options(), scope));
  response.set_transaction(transaction->id);
  if (!call.check().ok()) transactions_.abort(*transaction);  // nobody has learnt its name
  return call.check();
}

absl::Status Engine::rollback(const CallContext& call, v1::RollbackRequest& request, v1::RollbackResponse&) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  return transactions_.roll_back(request.transaction(), scope);
}

absl::Status Engine::allocate_ids(const CallContext& call, v1::AllocateIdsRequest& request,
                                  v1::AllocateIdsResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  for (v1::Key& key : *request.mutable_keys()) NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kAllocate));
  for (v1::Key& key : *request.mutable_keys()) {
    NDB_RETURN_IF_ERROR(call.check());
    NDB_RETURN_IF_ERROR(ids_->complete(key));
    *response.add_keys() = std::move(key);
  }
  return absl::OkStatus();
}

absl::Status Engine::reserve_ids(const CallContext& call, v1::ReserveIdsRequest& request, v1::ReserveIdsResponse&) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  KvStore::Batch batch;
  for (v1::Key& key : *request.mutable_keys()) {
    NDB_RETURN_IF_ERROR(check_key(key, scope, KeyUse::kWrite));
    reserve(batch, key);
  }
  return store_->write(batch);
}

absl::StatusOr<std::shared_ptr<Transaction>> Engine::transaction_of(const CallContext& call,
                                                                    const v1::CommitRequest& request,
                                                                    const Scope& scope) {
  const bool has_transaction = request.transaction_selector_case() != v1::CommitRequest::TRANSACTION_SELECTOR_NOT_SET;
  if (request.mode() == v1::CommitRequest::NON_TRANSACTIONAL) {
    if (has_transaction) return absl::InvalidArgumentError("non-transaction commit cannot specify a transaction");
    return nullptr;
  }
  if (!has_transaction) return absl::InvalidArgumentError("transactional commit requires a transaction");
  if (!request.has_single_use_transaction()) return transactions_.finish(call, request.transaction(), scope);
  if (request.single_use_transaction().has_read_only()) {
    return absl::InvalidArgumentError("A single_use_transaction must be read_write.");
  }
  return nullptr;  // it has read nothing before its commit
}

absl::Status Engine::commit(const CallContext& call, v1::CommitRequest& request, v1::CommitResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  NDB_ASSIGN_OR_RETURN(const Scope scope, scope_of(request));
  NDB_RETURN_IF_ERROR(check_commit(request, scope));
  NDB_ASSIGN_OR_RETURN(const std::shared_ptr<Transaction> transaction, transaction_of(call, request, scope));
  PendingCommit pending(request, response);
  absl::Status status;
  if (transaction == nullptr) {
    const std::uint64_t age = transactions_.next_age();
    LockTable::Owner owner(age, cat("commit ", age), clock_.monotonic());
    status = pending.complete_keys(*ids_);
    if (status.ok()) status = lock(call, owner, true, pending);
    if (status.ok()) status = write(call, nullptr, pending, response);
    locks_.close(owner);
  } else {
    if (transaction->read_only && !request.mutations().empty()) {
      status = absl::InvalidArgumentError("Cannot modify entities in a read-only transaction.");
    }
    if (status.ok()) status = pending.complete_keys(*ids_);
    if (status.ok()) status = lock(call, transaction->locks, false, pending);
    if (status.ok()) status = write(call, transaction.get(), pending, response);
    // An update of an entity that no longer exists is also a conflict with another writer.
    const bool checked = !transaction->snapshot.is_zero() && !transaction->read_only && pending.has_mutations();
    if (!status.ok() && checked) {
      if (absl::Status contention = unchanged(*transaction); !contention.ok()) status = std::move(contention);
    }
    transactions_.release(*transaction);
  }
  if (!status.ok() || request.mode() == v1::CommitRequest::NON_TRANSACTIONAL) response.clear_commit_time();
  if (!status.ok()) response.Clear();
  return status;
}

// A commit outside of a transaction that is aborted because of a deadlock releases its locks and tries again: it has
// read nothing that could have changed.
absl::Status Engine::lock(const CallContext& call, LockTable::Owner& owner, bool may_repeat, PendingCommit& pending) {
  transactions_.sweep();  // nobody has to wait for a transaction that has expired
  const std::vector<std::string> entities = pending.entities();
  const Monotonic until = clock_.monotonic() + options_.lock_timeout;
  for (;;) {
    absl::Status locked = locks_.exclude(call, owner, entities, until);
    if (locked.ok()) {
      NDB_RETURN_IF_ERROR(pending.apply(*store_, Version(clock_.now()), call));
      // Only readers of ranges lock more than entities, and only under pessimistic concurrency.
      if (options_.concurrency == Concurrency::kPessimistic)
        locked = locks_.exclude(call, owner, pending.touched(), until);
    }
    NDB_RETURN_IF_ERROR(call.check());
    if (locked.ok() || !may_repeat || clock_.monotonic() >= until) return locked;
    locks_.release(owner);
  }
}

absl::Status Engine::write(const CallContext& call, const Transaction* transaction, PendingCommit& pending,
                           v1::CommitResponse& response) {
  const bool writes = !pending.touched().empty();
  Version commit_time;
  std::size_t replaced = 0;
  absl::Status status;
  {
    MutexLock lock(commit_mutex_);
    const bool checked = transaction != nullptr && !transaction->snapshot.is_zero() && pending.has_mutations();
    if (checked) NDB_RETURN_IF_ERROR(unchanged(*transaction));
    NDB_RETURN_IF_ERROR(call.check());  // the last point at which nothing has been written
    commit_time = commits_.begin_commit();
    KvStore::Batch batch;
    replaced = pending.write(commit_time, batch);
    if (writes) status = store_->apply(batch);
    if (writes && status.ok()) log_.append(commit_time, pending.take_touched());
  }
  if (!writes || !status.ok()) {
    commits_.cancel_commit(commit_time);
  } else if (status = store_->sync(); status.ok()) {
    commits_.end_commits(commit_time);
  } else {
    commits_.lose_commits();
  }
  set_timestamp(*response.mutable_commit_time(), commit_time);
  if (writes && status.ok()) grow_history(replaced);
  return status;
}

absl::Status Engine::unchanged(const Transaction& transaction) const {
  const std::optional<std::string> changed = transaction.changed_since_snapshot(log_);
  if (!changed.has_value()) return absl::OkStatus();
  return contention_error(
      cat(describe_row(*changed), ", which ", transaction.locks.name, " has read, was written after its snapshot."));
}

// The background upkeep removes the excess; a commit does so itself only if the history grows faster than that.
void Engine::grow_history(std::size_t bytes) {
  history_.add(bytes);
  const std::size_t excess = history_.excess();
  if (excess == 0) return;
  if (excess > *options_.history.bytes) {
    (void)collect_garbage();  // the upkeep reports errors
  } else {
    upkeep_.wake();
  }
}

}  // namespace ndb::local
