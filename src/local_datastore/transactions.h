// Transactions that are open, what they have read, and what was written meanwhile.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "local_datastore/commit_clock.h"
#include "local_datastore/rules.h"

namespace ndb::local {

// Keys of the store, and ranges of them. Absence is read too: a key that was not there, all that a range does not have.
class ReadSet {
 public:
  void add(std::string_view key) { keys_.emplace(key); }
  void add_range(std::string begin, std::string end) { ranges_.emplace_back(std::move(begin), std::move(end)); }
  bool contains(std::string_view key) const;

 private:
  std::unordered_set<std::string, StringHash, std::equal_to<>> keys_;
  std::vector<std::pair<std::string, std::string>> ranges_;  // from the first, before the second
};

// Reads see the store as it was at `snapshot`. Thread-safe.
class Transaction {
 public:
  Transaction(std::string name, Scope where, bool only_reads, Version at)
      : id(std::move(name)), scope(std::move(where)), read_only(only_reads), snapshot(at) {}

  const std::string id;
  const Scope scope;
  const bool read_only;
  const Version snapshot;

  // Read-only transactions keep no read set, since nothing can invalidate a snapshot.
  void note_key(std::string_view key);
  void note_range(std::string begin, std::string end);
  bool has_read(std::string_view key) const;

 private:
  mutable Mutex mutex_;
  ReadSet reads_ NDB_GUARDED_BY(mutex_);
};

// Thread-safe.
class TransactionTable {
 public:
  struct Limits {
    Monotonic total;
    Monotonic idle;
  };
  TransactionTable(const Clock& clock, CommitClock& commits, Limits limits);

  // A transaction on the present, or, if `read_time` is not 0, on that time.
  std::shared_ptr<Transaction> begin(const Scope& scope, bool read_only, Version read_time = 0);

  // An open transaction, whose idle time starts again. INVALID_ARGUMENT if it is not one of this database, or ended.
  absl::StatusOr<std::shared_ptr<Transaction>> use(std::string_view id, const Scope& scope);

  // As use(), but the transaction ends by it.
  absl::StatusOr<std::shared_ptr<Transaction>> finish(std::string_view id, const Scope& scope);

  // Ends an open transaction; one that has ended already is fine.
  absl::Status roll_back(std::string_view id, const Scope& scope);

  // The oldest snapshot of an open transaction that may yet commit writes; the greatest Version if there is none.
  Version oldest_snapshot();

 private:
  struct Entry {
    std::shared_ptr<Transaction> transaction;
    Monotonic began{};
    Monotonic used{};
    bool open = true;
  };
  using Entries = std::unordered_map<std::string, Entry, StringHash, std::equal_to<>>;

  absl::StatusOr<Entry*> find_open(std::string_view id, const Scope& scope) NDB_REQUIRES(mutex_);
  bool expired(const Entry& entry, Monotonic now) const;
  void close(Entry& entry) NDB_REQUIRES(mutex_);
  void sweep(Monotonic now) NDB_REQUIRES(mutex_);

  const Clock& clock_;
  CommitClock& commits_;
  const Limits limits_;
  const std::uint64_t nonce_;  // so that ids of an earlier process are unknown to this one
  Mutex mutex_;
  std::uint64_t count_ NDB_GUARDED_BY(mutex_) = 0;
  Entries entries_ NDB_GUARDED_BY(mutex_);  // ended ones stay for a while, to be told from unknown ones
  std::multiset<Version> snapshots_ NDB_GUARDED_BY(mutex_);  // of the open ones that are not read-only
  Monotonic swept_ NDB_GUARDED_BY(mutex_){};
};

// The keys that recent commits wrote, for the transactions that are older than them. Not thread-safe: the commit lock
// guards it.
class CommitLog {
 public:
  void append(Version version, std::vector<std::string> keys);
  void forget_until(Version version);
  bool changed_since(const Transaction& transaction) const;

 private:
  struct Commit {
    Version version;
    std::vector<std::string> keys;
  };
  std::deque<Commit> commits_;  // in the order of their versions
};

}  // namespace ndb::local
