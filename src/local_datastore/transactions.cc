#include "local_datastore/transactions.h"

#include <algorithm>
#include <limits>
#include <random>

#include "base/status_macros.h"

namespace ndb::local {
namespace {

using std::chrono::seconds;

constexpr Monotonic kRemembered = seconds(300);  // how long an ended transaction is told from an unknown one
constexpr std::string_view kExpired = "The referenced transaction has expired or is no longer valid.";
constexpr std::string_view kUnknown = "Invalid transaction.";

std::uint64_t random_nonce() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

bool ReadSet::contains(std::string_view key) const {
  if (keys_.find(key) != keys_.end()) return true;
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [key](const auto& range) { return range.first <= key && key < range.second; });
}

void Transaction::note_key(std::string_view key) {
  if (read_only) return;
  MutexLock lock(mutex_);
  reads_.add(key);
}

void Transaction::note_range(std::string begin, std::string end) {
  if (read_only) return;
  MutexLock lock(mutex_);
  reads_.add_range(std::move(begin), std::move(end));
}

bool Transaction::has_read(std::string_view key) const {
  MutexLock lock(mutex_);
  return reads_.contains(key);
}

TransactionTable::TransactionTable(const Clock& clock, CommitClock& commits, Limits limits)
    : clock_(clock), commits_(commits), limits_(limits), nonce_(random_nonce()) {}

std::shared_ptr<Transaction> TransactionTable::begin(const Scope& scope, bool read_only, Version read_time) {
  const Monotonic now = clock_.monotonic();
  MutexLock lock(mutex_);
  sweep(now);
  std::string id;
  append_le(id, nonce_);
  append_le(id, ++count_);
  // The snapshot is taken under the mutex, so that a commit which is later than it finds it in oldest_snapshot().
  const Version snapshot = read_time != 0 ? read_time : commits_.read_time();
  auto transaction = std::make_shared<Transaction>(id, scope, read_only, snapshot);
  if (!read_only) snapshots_.insert(snapshot);
  entries_.emplace(std::move(id), Entry{.transaction = transaction, .began = now, .used = now});
  return transaction;
}

absl::StatusOr<TransactionTable::Entry*> TransactionTable::find_open(std::string_view id, const Scope& scope) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return absl::InvalidArgumentError(to_absl(kUnknown));
  Entry& entry = found->second;
  const Scope& own = entry.transaction->scope;
  if (own.project != scope.project || own.database != scope.database) {
    return absl::InvalidArgumentError(to_absl(kUnknown));
  }
  const Monotonic now = clock_.monotonic();
  if (entry.open && expired(entry, now)) close(entry);
  if (!entry.open) return absl::InvalidArgumentError(to_absl(kExpired));
  entry.used = now;
  return &entry;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::use(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(const Entry* entry, find_open(id, scope));
  return entry->transaction;
}

absl::StatusOr<std::shared_ptr<Transaction>> TransactionTable::finish(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  NDB_ASSIGN_OR_RETURN(Entry * entry, find_open(id, scope));
  close(*entry);
  return entry->transaction;
}

absl::Status TransactionTable::roll_back(std::string_view id, const Scope& scope) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found != entries_.end() && !found->second.open) return absl::OkStatus();
  NDB_ASSIGN_OR_RETURN(Entry * entry, find_open(id, scope));
  close(*entry);
  return absl::OkStatus();
}

Version TransactionTable::oldest_snapshot() {
  MutexLock lock(mutex_);
  if (snapshots_.empty()) return std::numeric_limits<Version>::max();
  sweep(clock_.monotonic());
  return snapshots_.empty() ? std::numeric_limits<Version>::max() : *snapshots_.begin();
}

bool TransactionTable::expired(const Entry& entry, Monotonic now) const {
  return now - entry.began >= limits_.total || now - entry.used >= limits_.idle;
}

void TransactionTable::close(Entry& entry) {
  entry.open = false;
  if (!entry.transaction->read_only) snapshots_.erase(snapshots_.find(entry.transaction->snapshot));
}

void TransactionTable::sweep(Monotonic now) {
  if (now - swept_ < seconds(1)) return;
  swept_ = now;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    if (entry.open && expired(entry, now)) close(entry);
    it = !entry.open && now - entry.used > kRemembered ? entries_.erase(it) : std::next(it);
  }
}

void CommitLog::append(Version version, std::vector<std::string> keys) {
  commits_.push_back({version, std::move(keys)});
}

void CommitLog::forget_until(Version version) {
  while (!commits_.empty() && commits_.front().version <= version) commits_.pop_front();
}

bool CommitLog::changed_since(const Transaction& transaction) const {
  for (auto commit = commits_.rbegin(); commit != commits_.rend() && commit->version > transaction.snapshot; ++commit) {
    for (const std::string& key : commit->keys) {
      if (transaction.has_read(key)) return true;
    }
  }
  return false;
}

}  // namespace ndb::local
