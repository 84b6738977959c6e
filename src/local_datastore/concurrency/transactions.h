// Transactions that are open, and what they have read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "local_datastore/concurrency/commit_log.h"
#include "local_datastore/concurrency/lock_table.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"

namespace ndb::local {

// What keeps transactions that overlap apart.
enum class Concurrency : std::uint8_t {
  kPessimistic,  // locks: reads see the present, and what has been read stays as it is until the end
  kOptimistic,   // reads see one snapshot; the commit is refused if what has been read was written since
};

// Thread-safe.
class Transaction {
 public:
  Transaction(std::string name, Scope where, bool only_reads, Version at, std::uint64_t age)
      : id(std::move(name)), scope(std::move(where)), read_only(only_reads), snapshot(at), locks(age) {}

  const std::string id;
  const Scope scope;
  const bool read_only;
  const Version snapshot;  // zero: it reads the present
  LockTable::Owner locks;  // of a pessimistic one that is not read-only

  // The reads of an optimistic one, which its commit is checked against.
  void note(ReadSet reads);
  bool changed_since_snapshot(const CommitLog& log) const;

 private:
  mutable Mutex mutex_;
  ReadSet reads_ NDB_GUARDED_BY(mutex_);
};

// Thread-safe. Ends its transactions when it goes.
class TransactionTable {
 public:
  struct Limits {
    std::chrono::nanoseconds total;
    std::chrono::nanoseconds idle;
  };
  TransactionTable(const Clock& clock, CommitClock& commits, CommitLog& log, LockTable& locks, Concurrency concurrency,
                   Limits limits);
  ~TransactionTable();

  struct Start {
    bool read_only = false;
    Version read_time{};          // of a read-only one; zero: now
    std::string_view previous{};  // the attempt that it repeats, whose age it keeps
  };
  std::shared_ptr<Transaction> begin(const Scope& scope, const Start& start);

  // An open transaction, whose idle time starts again. INVALID_ARGUMENT if it is not one of this database, or ended;
  // ABORTED if it was.
  absl::StatusOr<std::shared_ptr<Transaction>> use(std::string_view id, const Scope& scope);

  // As use(), but no other call finds it any more. The caller ends it with release().
  absl::StatusOr<std::shared_ptr<Transaction>> finish(std::string_view id, const Scope& scope);
  void release(Transaction& transaction);

  // Ends an open transaction; one that has ended already is fine.
  absl::Status roll_back(std::string_view id, const Scope& scope);
  // Ends it so that later calls hear of it.
  void abort(Transaction& transaction);

  // Ends all that are open.
  void end_all();

  // Ends those whose time is over.
  void sweep();

  // How old somebody who begins now is.
  std::uint64_t next_age();

 private:
  enum class State : std::uint8_t { kOpen, kEnded, kAborted };
  struct Entry {
    std::shared_ptr<Transaction> transaction;
    Monotonic began{};
    Monotonic used{};
    State state = State::kOpen;
  };
  using Entries = std::unordered_map<std::string, Entry, StringHash, std::equal_to<>>;

  absl::StatusOr<Entry*> find_open(std::string_view id, const Scope& scope) NDB_REQUIRES(mutex_);
  Entry* find(std::string_view id, const Scope& scope) NDB_REQUIRES(mutex_);
  bool expired(const Entry& entry, Monotonic now) const;
  void end(Entry& entry, State state) NDB_REQUIRES(mutex_);
  void sweep(Monotonic now) NDB_REQUIRES(mutex_);

  const Clock& clock_;
  CommitClock& commits_;
  CommitLog& log_;
  LockTable& locks_;
  const Concurrency concurrency_;
  const Limits limits_;
  const std::uint64_t nonce_;  // so that ids of an earlier process are unknown to this one
  Mutex mutex_;
  std::uint64_t count_ NDB_GUARDED_BY(mutex_) = 0;
  Entries entries_ NDB_GUARDED_BY(mutex_);  // ended ones stay for a while, to be told from unknown ones
  Monotonic swept_ NDB_GUARDED_BY(mutex_){};
};

}  // namespace ndb::local
