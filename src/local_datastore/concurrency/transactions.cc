#include "local_datastore/concurrency/transactions.h"

#include <algorithm>
#include <iterator>
#include <random>

#include "base/status_macros.h"

namespace ndb::local {
namespace {

using std::chrono::seconds;

constexpr seconds kRemembered{300};  // how long an ended transaction is told from an unknown one
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

bool Transaction::changed_since_snapshot(const CommitLog& log) const {
  MutexLock lock(mutex_);
  return log.changed_since(snapshot, reads_);
}

TransactionTable::TransactionTable(const Clock& clock, CommitClock& commits, CommitLog& log, LockTable& locks,
                                   Concurrency concurrency, Limits limits)
    : clock_(clock),
      commits_(commits),
      log_(log),
      locks_(locks),
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

std::shared_ptr<Transaction> TransactionTable::begin(const Scope& scope, const Start& start) {
  const Monotonic now = clock_.monotonic();
  MutexLock lock(mutex_);
  sweep(now);
  std::string id;
  append_le(id, nonce_);
  append_le(id, ++count_);
  const Entry* previous = start.previous.empty() ? nullptr : find(start.previous, scope);
  const std::uint64_t age = previous != nullptr ? previous->transaction->locks.age : count_;
  Version snapshot = start.read_time;
  if (start.read_only) {
    if (snapshot.is_zero()) snapshot = commits_.read_time();
  } else if (concurrency_ == Concurrency::kOptimistic) {
    snapshot = log_.pin();
  }
  auto transaction = std::make_shared<Transaction>(id, scope, start.read_only, snapshot, age);
  entries_.emplace(std::move(id), Entry{.transaction = transaction, .began = now, .used = now});
  return transaction;
}

TransactionTable::Entry* TransactionTable::find(std::string_view id, const Scope& scope) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  const Scope& own = found->second.transaction->scope;
  return own.project == scope.project && own.database == scope.database ? &found->second : nullptr;
}

absl::StatusOr<TransactionTable::Entry*> TransactionTable::find_open(std::string_view id, const Scope& scope) {
  Entry* entry = find(id, scope);
  if (entry == nullptr) return absl::InvalidArgumentError(to_absl(kUnknown));
  const Monotonic now = clock_.monotonic();
  if (entry->state == State::kOpen && expired(*entry, now)) end(*entry, State::kEnded);
  if (entry->state == State::kAborted) return contention_error();
  if (entry->state == State::kEnded) return absl::InvalidArgumentError(to_absl(kExpired));
  entry->used = now;
  return entry;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::use(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(const Entry* entry, find_open(id, scope));
  return entry->transaction;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::finish(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(Entry * entry, find_open(id, scope));
  entry->state = State::kEnded;
  return entry->transaction;
}

void TransactionTable::release(Transaction& transaction) {
  locks_.close(transaction.locks);
  if (!transaction.read_only && !transaction.snapshot.is_zero()) log_.unpin(transaction.snapshot);
}

absl::Status TransactionTable::roll_back(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  if (const Entry* entry = find(id, scope); entry != nullptr && entry->state != State::kOpen) return absl::OkStatus();
  NDB_ASSIGN_OR_RETURN(Entry * entry, find_open(id, scope));
  end(*entry, State::kEnded);
  return absl::OkStatus();
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

bool TransactionTable::expired(const Entry& entry, Monotonic now) const {
  return now - entry.began >= limits_.total || now - entry.used >= limits_.idle;
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
    if (entry.state == State::kOpen && expired(entry, now)) end(entry, State::kEnded);
    it = entry.state != State::kOpen && now - entry.used > kRemembered ? entries_.erase(it) : std::next(it);
  }
}

}  // namespace ndb::local
