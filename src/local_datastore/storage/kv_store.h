// The ordered store of bytes below the engine: RocksDB, on disk or in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace rocksdb {
class DB;
class Env;
class Iterator;
}  // namespace rocksdb

namespace ndb::local {

class LogSequence;

// Keys are ordered as memcmp orders them. Thread-safe; a Batch and a Cursor belong to one thread.
class KvStore {
 public:
  struct Options {
    std::string data_dir{};  // empty: in memory
    bool fsync_always = true;
    bool accept_damaged_log = false;  // keep what precedes the damage, and drop what was committed after it
  };

  // Writes that become visible and durable together, or not at all.
  class Batch {
   public:
    Batch();
    ~Batch();
    void put(std::string_view key, std::string_view value);
    // The value is `head` followed by `tail`, so that the caller need not join them.
    void put(std::string_view key, std::string_view head, std::string_view tail);
    void erase(std::string_view key);
    void erase_range(std::string_view begin, std::string_view end);

   private:
    friend class KvStore;
    struct Rep;
    std::unique_ptr<Rep> rep_;
  };

  // A position in a snapshot of the store, taken when the cursor is made. The views are valid until it moves.
  class Cursor {
   public:
    ~Cursor();
    Cursor(Cursor&&) noexcept;
    void seek(std::string_view key);       // to the first key at or after this one
    void seek_back(std::string_view key);  // to the last key at or before this one
    void next();
    bool valid() const;
    std::string_view key() const;
    std::string_view value() const;
    absl::Status status() const;  // why it is invalid; OK at the end of the store

   private:
    friend class KvStore;
    explicit Cursor(std::unique_ptr<rocksdb::Iterator> iterator);
    std::unique_ptr<rocksdb::Iterator> iterator_;
  };

  // DATA_LOSS if files that acknowledged commits depend on are damaged or missing; FAILED_PRECONDITION if the directory
  // cannot be used. The message says what to do.
  static absl::StatusOr<std::unique_ptr<KvStore>> open(const Options& options);
  KvStore();  // use open()
  ~KvStore();

  absl::StatusOr<std::optional<std::string>> get(std::string_view key) const;
  Cursor cursor() const;

  // Makes the batch visible, unless it fails. Batches reach the disk in the order of apply().
  absl::Status apply(Batch& batch);
  // With fsync_always: waits until every batch that was applied before is durable. Concurrent callers share one fsync
  // (group commit). After apply() or an fsync has failed, the store is not written any more: every later apply() fails,
  // and so does sync() unless an earlier fsync has covered its batches.
  absl::Status sync();
  // Frees the memory or disk space of erased rows.
  absl::Status compact();
  // apply() and sync().
  absl::Status write(Batch& batch);

 private:
  void sync_every_second();
  absl::Status sync_log();
  absl::Status broken() const;
  absl::Status break_after(const absl::Status& failure);

  Options options_;
  std::unique_ptr<LogSequence> log_sequence_;  // this and the next outlive db_
  std::unique_ptr<rocksdb::Env> env_;          // the memory, or the files
  std::unique_ptr<rocksdb::DB> db_;

  mutable Mutex mutex_;
  Condition synced_;
  std::uint64_t wanted_ NDB_GUARDED_BY(mutex_) = 0;  // calls of sync() that began, and those that an fsync has covered
  std::uint64_t covered_ NDB_GUARDED_BY(mutex_) = 0;
  bool syncing_ NDB_GUARDED_BY(mutex_) = false;
  absl::Status broken_ NDB_GUARDED_BY(mutex_);
  Condition wake_;
  bool closing_ NDB_GUARDED_BY(mutex_) = false;
  std::thread syncer_;  // only for an interval
};

}  // namespace ndb::local
