// Open transactions, and what they have read.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "local_datastore/call_context.h"
#include "local_datastore/concurrency/commit_log.h"
#include "local_datastore/concurrency/history.h"
#include "local_datastore/concurrency/lock_table.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"

namespace ndb::local {

// How overlapping transactions are isolated.
enum class Concurrency : std::uint8_t {
  kPessimistic,  // locks: reads see the present, and what has been read stays as it is until the end
  kOptimistic,   // reads see one snapshot; the commit is refused if what has been read was written since
};

// Thread-safe.
class Transaction {
 public:
  Transaction(std::string name, Scope where, bool only_reads, Version at, std::uint64_t number, std::uint64_t age,
              Monotonic began)
      : id(std::move(name)),
        scope(std::move(where)),
        read_only(only_reads),
        snapshot(at),
        locks(age, cat("transaction ", number), began) {}

  const std::string id;
  const Scope scope;
  const bool read_only;
  const Version snapshot;  // zero: it reads the present
  LockTable::Owner locks;  // of a pessimistic one that is not read-only

  // The read set of an optimistic one, and a key of it that was written after the snapshot, if there is one.
  void note(ReadSet reads);
  std::optional<std::string> changed_since_snapshot(const CommitLog& log) const;

 private:
  mutable Mutex mutex_;
  ReadSet reads_ NDB_GUARDED_BY(mutex_);
};

// Thread-safe. The destructor ends all transactions.
class TransactionTable {
 public:
  struct Limits {
    std::chrono::nanoseconds total;
    std::chrono::nanoseconds idle;
    std::chrono::nanoseconds disconnected = std::chrono::seconds(3);  // time for a client to reconnect
  };
  TransactionTable(const Clock& clock, CommitClock& commits, CommitLog& log, LockTable& locks, History& history,
                   Concurrency concurrency, Limits limits);
  ~TransactionTable();

  struct Start {
    bool read_only = false;
    Version read_time{};          // of a read-only one; zero: the present
    std::string_view previous{};  // the previous attempt, whose age it keeps
  };
  // FAILED_PRECONDITION if the read time is too old.
  absl::StatusOr<std::shared_ptr<Transaction>> begin(const CallContext& call, const Scope& scope, const Start& start);

  // An open transaction, whose idle time starts again. INVALID_ARGUMENT if this database has no such transaction, or it
  // has ended; ABORTED if it was aborted.
  absl::StatusOr<std::shared_ptr<Transaction>> use(const CallContext& call, std::string_view id, const Scope& scope);

  // The same, but no other call finds it any more. The caller ends it with release().
  absl::StatusOr<std::shared_ptr<Transaction>> finish(const CallContext& call, std::string_view id, const Scope& scope);
  void release(Transaction& transaction);

  // Ends an open transaction; no error if it has ended already.
  absl::Status roll_back(std::string_view id, const Scope& scope);
  // Ends it; later calls that use it get ABORTED.
  void abort(Transaction& transaction);

  // Reports that a connection has closed. If all calls of a transaction came over known connections, and all of these
  // have closed, the transaction is aborted unless a call uses it again soon: its client has most likely ended, and
  // others wait for its locks.
  void disconnected(std::string_view connection);

  // Ends all open transactions.
  void end_all();

  // Ends the transactions that have expired.
  void sweep();

  // The age of an owner that begins now.
  std::uint64_t next_age();

 private:
  enum class State : std::uint8_t { kOpen, kEnded, kAborted };
  struct Entry {
    std::shared_ptr<Transaction> transaction;
    Monotonic began{};
    Monotonic used{};
    std::vector<std::string> connections{};  // the open ones over which it was used
    bool used_elsewhere = false;             // by calls whose connection is unknown
    std::optional<Monotonic> disconnected{};
    State state = State::kOpen;
  };
  using Entries = std::unordered_map<std::string, Entry, StringHash, std::equal_to<>>;

  absl::StatusOr<Version> snapshot_of(const Start& start);
  absl::StatusOr<Entry*> find_open(const CallContext& call, std::string_view id, const Scope& scope)
      NDB_REQUIRES(mutex_);
  Entry* find(std::string_view id, const Scope& scope) NDB_REQUIRES(mutex_);
  void note_use(const CallContext& call, Entry& entry, Monotonic now) const NDB_REQUIRES(mutex_);
  void end_if_over(Entry& entry, Monotonic now) NDB_REQUIRES(mutex_);
  void end(Entry& entry, State state) NDB_REQUIRES(mutex_);
  void sweep(Monotonic now) NDB_REQUIRES(mutex_);

  const Clock& clock_;
  CommitClock& commits_;
  CommitLog& log_;
  LockTable& locks_;
  History& history_;
  const Concurrency concurrency_;
  const Limits limits_;
  const std::uint64_t nonce_;  // so that ids of an earlier process are unknown to this one
  Mutex mutex_;
  std::uint64_t count_ NDB_GUARDED_BY(mutex_) = 0;
  Entries entries_ NDB_GUARDED_BY(mutex_);  // ended ones stay for a while, to be distinguished from unknown ones
  Monotonic swept_ NDB_GUARDED_BY(mutex_){};
};

}  // namespace ndb::local
