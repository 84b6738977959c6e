#include "local_datastore/concurrency/transactions.h"

#include <algorithm>
#include <iterator>
#include <random>

#include "base/status_macros.h"

namespace ndb::local {
namespace {

using std::chrono::seconds;

constexpr seconds kRemembered{300};  // how long an ended transaction is distinguished from an unknown one
constexpr std::string_view kExpired = "The referenced transaction has expired or is no longer valid.";
constexpr std::string_view kUnknown = "Invalid transaction.";

std::uint64_t random_nonce() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

void Transaction::note(ReadSet reads) {
  MutexLock lock(mutex_);
  reads_.merge(std::move(reads));
}

std::optional<std::string> Transaction::changed_since_snapshot(const CommitLog& log) const {
  MutexLock lock(mutex_);
  return log.changed_since(snapshot, reads_);
}

TransactionTable::TransactionTable(const Clock& clock, CommitClock& commits, CommitLog& log, LockTable& locks,
                                   History& history, Concurrency concurrency, Limits limits)
    : clock_(clock),
      commits_(commits),
      log_(log),
      locks_(locks),
      history_(history),
      concurrency_(concurrency),
      limits_(limits),
      nonce_(random_nonce()) {}

TransactionTable::~TransactionTable() { end_all(); }

void TransactionTable::end_all() {
  MutexLock lock(mutex_);
  for (auto& [id, entry] : entries_) {
    if (entry.state == State::kOpen) end(entry, State::kEnded);
  }
}

// The snapshot is held in the history, and pinned in the log for an optimistic transaction, until release().
absl::StatusOr<Version> TransactionTable::snapshot_of(const Start& start) {
  if (!start.read_time.is_zero()) {
    NDB_RETURN_IF_ERROR(history_.hold(start.read_time));
    return start.read_time;
  }
  if (start.read_only) return history_.hold_latest(commits_);
  if (concurrency_ == Concurrency::kPessimistic) return Version();
  for (;;) {
    const Version at = log_.pin();
    if (history_.hold(at).ok()) return at;
    log_.unpin(at);  // dropped in between, and no longer the latest
  }
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::begin(const CallContext& call, const Scope& scope,
                                                                     const Start& start) {
  const Monotonic now = clock_.monotonic();
  MutexLock lock(mutex_);
  sweep(now);
  std::string id;
  append_le(id, nonce_);
  append_le(id, ++count_);
  const Entry* previous = start.previous.empty() ? nullptr : find(start.previous, scope);
  const std::uint64_t age = previous != nullptr ? previous->transaction->locks.age : count_;
  NDB_ASSIGN_OR_RETURN(const Version snapshot, snapshot_of(start));
  auto transaction = std::make_shared<Transaction>(id, scope, start.read_only, snapshot, count_, age, now);
  Entry& entry = entries_[std::move(id)];
  entry = {.transaction = transaction, .began = now};
  note_use(call, entry, now);
  return transaction;
}

TransactionTable::Entry* TransactionTable::find(std::string_view id, const Scope& scope) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  const Scope& own = found->second.transaction->scope;
  return own.project == scope.project && own.database == scope.database ? &found->second : nullptr;
}

absl::StatusOr<TransactionTable::Entry*> TransactionTable::find_open(const CallContext& call, std::string_view id,
                                                                     const Scope& scope) {
  Entry* entry = find(id, scope);
  if (entry == nullptr) return absl::InvalidArgumentError(to_absl(kUnknown));
  const Monotonic now = clock_.monotonic();
  end_if_over(*entry, now);
  if (entry->state == State::kAborted)
    return contention_error(cat("The ", entry->transaction->locks.name, " was aborted."));
  if (entry->state == State::kEnded) return absl::InvalidArgumentError(to_absl(kExpired));
  note_use(call, *entry, now);
  return entry;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::use(const CallContext& call, std::string_view id,
                                                                   const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(const Entry* entry, find_open(call, id, scope));
  return entry->transaction;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::finish(const CallContext& call, std::string_view id,
                                                                      const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(Entry * entry, find_open(call, id, scope));
  entry->state = State::kEnded;
  return entry->transaction;
}

void TransactionTable::release(Transaction& transaction) {
  locks_.close(transaction.locks);
  if (transaction.snapshot.is_zero()) return;
  history_.release(transaction.snapshot);
  if (!transaction.read_only) log_.unpin(transaction.snapshot);
}

absl::Status TransactionTable::roll_back(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  Entry* entry = find(id, scope);
  if (entry == nullptr) return absl::InvalidArgumentError(to_absl(kUnknown));
  if (entry->state == State::kOpen) end(*entry, State::kEnded);
  return absl::OkStatus();
}

void TransactionTable::note_use(const CallContext& call, Entry& entry, Monotonic now) const {
  entry.used = now;
  entry.disconnected.reset();
  if (call.connection().empty()) {
    entry.used_elsewhere = true;
  } else if (std::find(entry.connections.begin(), entry.connections.end(), call.connection()) ==
             entry.connections.end()) {
    entry.connections.push_back(call.connection());
  }
}

void TransactionTable::disconnected(std::string_view connection) {
  MutexLock lock(mutex_);
  for (auto& [id, entry] : entries_) {
    if (entry.state != State::kOpen || std::erase(entry.connections, connection) == 0) continue;
    if (entry.connections.empty() && !entry.used_elsewhere) entry.disconnected = clock_.monotonic();
  }
}

void TransactionTable::abort(Transaction& transaction) {
  MutexLock lock(mutex_);
  Entry* entry = find(transaction.id, transaction.scope);
  if (entry != nullptr && entry->state == State::kOpen) end(*entry, State::kAborted);
}

void TransactionTable::sweep() {
  MutexLock lock(mutex_);
  sweep(clock_.monotonic());
}

std::uint64_t TransactionTable::next_age() {
  MutexLock lock(mutex_);
  return ++count_;
}

void TransactionTable::end_if_over(Entry& entry, Monotonic now) {
  if (entry.state != State::kOpen) return;
  if (now - entry.began >= limits_.total || now - entry.used >= limits_.idle) {
    end(entry, State::kEnded);
  } else if (entry.disconnected.has_value() && now - *entry.disconnected >= limits_.disconnected) {
    end(entry, State::kAborted);
  }
}

void TransactionTable::end(Entry& entry, State state) {
  entry.state = state;
  release(*entry.transaction);
}

void TransactionTable::sweep(Monotonic now) {
  if (now - swept_ < seconds(1)) return;
  swept_ = now;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    end_if_over(entry, now);
    it = entry.state != State::kOpen && now - entry.used > kRemembered ? entries_.erase(it) : std::next(it);
  }
}

}  // namespace ndb::local
