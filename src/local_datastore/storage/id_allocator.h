// Allocates numeric ids, each at most once.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "local_datastore/storage/kv_store.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// Ids have 16 digits, are below 2^53 (JavaScript's exact integers) and look random: a permutation maps a persistent
// counter to ids. Its seed is chosen when the store is created. Thread-safe.
class IdAllocator {
 public:
  static absl::StatusOr<std::unique_ptr<IdAllocator>> open(KvStore& store);
  IdAllocator(KvStore& store, std::uint64_t seed, std::uint64_t next);  // use open()

  // Gives the last element of `key` an id that was never allocated or reserved, and that no entity has or had within
  // the history.
  absl::Status complete(v1::Key& key);

 private:
  absl::StatusOr<std::int64_t> next_id();

  KvStore& store_;
  const std::uint64_t seed_;
  Mutex mutex_;
  std::uint64_t next_ NDB_GUARDED_BY(mutex_);
  std::uint64_t limit_ NDB_GUARDED_BY(mutex_);  // the persistent counter: all values below may have been given out
};

// Prevents the allocation of the id of `key`, once the batch is written.
void reserve(KvStore::Batch& batch, const v1::Key& key);

}  // namespace ndb::local
