#include "local_datastore/storage/id_allocator.h"

#include <random>

#include "base/hash.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::string_view kCounterKey = "Mids";
constexpr std::uint64_t kBlock = 1000;  // how many ids each write of the stored counter reserves

// A permutation of the 52-bit numbers: a Feistel network with two halves.
std::uint64_t scatter(std::uint64_t number, std::uint64_t seed) {
  constexpr std::uint64_t kHalf = (std::uint64_t{1} << 26) - 1;
  std::uint64_t left = number >> 26 & kHalf;
  std::uint64_t right = number & kHalf;
  for (std::uint64_t round = 0; round < 4; ++round) {
    const std::uint64_t next = left ^ (mix_bits(right ^ seed ^ round << 32) & kHalf);
    left = right;
    right = next;
  }
  return left << 26 | right;
}

}  // namespace

absl::StatusOr<std::unique_ptr<IdAllocator>> IdAllocator::open(KvStore& store) {
  std::uint64_t seed = 0;
  std::uint64_t next = 0;
  NDB_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.get(kCounterKey));
  if (stored.has_value()) {
    if (stored->size() != 16) return absl::DataLossError("the store's id counter is damaged");
    seed = load_le<std::uint64_t>(*stored);
    next = load_le<std::uint64_t>(*stored, 8);
  } else {
    std::random_device random;
    seed = std::uint64_t{random()} << 32 | random();
  }
  return std::make_unique<IdAllocator>(store, seed, next);
}

IdAllocator::IdAllocator(KvStore& store, std::uint64_t seed, std::uint64_t next)
    : store_(store), seed_(seed), next_(next), limit_(next) {}

absl::StatusOr<std::int64_t> IdAllocator::next_id() {
  MutexLock lock(mutex_);
  if (next_ == limit_) {
    std::string value;
    append_le(value, seed_);
    append_le(value, limit_ + kBlock);
    KvStore::Batch batch;
    batch.put(kCounterKey, value);
    NDB_RETURN_IF_ERROR(store_.write(batch));
    limit_ += kBlock;
  }
  constexpr std::uint64_t kFirst = std::uint64_t{1} << 52;
  return static_cast<std::int64_t>(kFirst | scatter(next_++, seed_));
}

absl::Status IdAllocator::complete(v1::Key& key) {
  KvStore::Cursor cursor = store_.cursor();
  for (;;) {
    NDB_ASSIGN_OR_RETURN(const std::int64_t id, next_id());
    key.mutable_path(key.path_size() - 1)->set_id(id);
    const StorageKey where(key);
    NDB_ASSIGN_OR_RETURN(const std::optional<std::string> reservation, store_.get(where.reserved()));
    if (reservation.has_value()) continue;
    const std::string entity = where.entity();
    cursor.seek(entity);
    NDB_RETURN_IF_ERROR(cursor.status());
    if (!cursor.valid() || !cursor.key().starts_with(entity)) return absl::OkStatus();
  }
}

void reserve(KvStore::Batch& batch, const v1::Key& key) {
  if (key.path(key.path_size() - 1).has_name()) return;  // names are never allocated
  batch.put(StorageKey(key).reserved(), "");
}

}  // namespace ndb::local
