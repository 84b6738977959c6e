// The payload of an entity: its properties, immutable while shared, with a count of its owners.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/detail/codec.h"
#include "ndb/key.h"

namespace ndb {
class Value;
}

namespace ndb::detail {

struct ModelInfo;

// A payload counts its owners itself: the last-owner test of edit() needs an acquire load, and shared_ptr::use_count()
// is relaxed, so that deciding by it whether to edit in place is a data race.
class Payload {
 public:
  explicit Payload(const ModelInfo& model) : info_(&model) {}
  virtual ~Payload() { delete commit_.load(std::memory_order_relaxed); }
  Payload& operator=(const Payload&) = delete;

  const ModelInfo& info() const { return *info_; }
  virtual Payload* clone() const = 0;  // unowned and unedited
  virtual void* properties() = 0;
  virtual std::size_t footprint() const = 0;  // bytes in memory, about: what a cache limit counts

  // The part of the stored entity that the class does not know.
  Unknown& unknown() { return unknown_; }
  const Unknown& unknown() const { return unknown_; }

  // The Datastore's version of these properties, or of those that they were edited from; 0: unknown. Another thread may
  // read it while a put is acknowledged.
  std::uint64_t version() const {
    const std::uint64_t own = version_.load(std::memory_order_relaxed);
    const Commit* const commit = commit_.load(std::memory_order_acquire);
    if (commit == nullptr || (own & kOwnCounts) != 0) return own & ~kOwnCounts;
    return std::max(own, (*commit)->load(std::memory_order_relaxed));
  }
  void set_version(std::uint64_t version) { version_.store(version | kOwnCounts, std::memory_order_relaxed); }
  // For the write of a transaction, after PayloadPtr::expect_commit(): the version of its commit.
  void set_committed_version(std::uint64_t version) {
    std::uint64_t none = 0;
    if (const Commit* const commit = commit_.load(std::memory_order_acquire)) {
      (*commit)->compare_exchange_strong(none, version, std::memory_order_relaxed);
    }
  }

 protected:
  Payload(const Payload& other) : info_(other.info_), unknown_(other.unknown_), version_(other.version_.load()) {
    const Commit* const commit = other.commit_.load(std::memory_order_acquire);
    if (commit != nullptr) commit_.store(std::make_unique<const Commit>(*commit).release(), std::memory_order_relaxed);
  }

 private:
  friend class PayloadPtr;
  // The version that a commit gives to a payload and to all copies made of it since it was put; 0 before the commit.
  using Commit = std::shared_ptr<std::atomic<std::uint64_t>>;
  // In version_: it was given to this very payload since then.
  static constexpr std::uint64_t kOwnCounts = std::uint64_t{1} << 63;

  static std::unique_ptr<const Commit> new_commit() {
    return std::make_unique<const Commit>(std::make_shared<std::atomic<std::uint64_t>>(0));
  }
  // For a payload without other owners.
  void link_to_commit() {
    version_.store(version(), std::memory_order_relaxed);
    delete commit_.exchange(new_commit().release(), std::memory_order_acq_rel);
  }
  // For a payload that others may read, so that its link must stay: false if that commit has its version already. A
  // link to a commit that has none yet serves as well, because the properties are the same.
  bool link_shared_to_commit() {
    const Commit* commit = commit_.load(std::memory_order_acquire);
    if (commit == nullptr) {
      std::unique_ptr<const Commit> made = new_commit();
      if (commit_.compare_exchange_strong(commit, made.get(), std::memory_order_acq_rel)) commit = made.release();
    }
    if ((*commit)->load(std::memory_order_relaxed) != 0) return false;
    version_.fetch_and(~kOwnCounts, std::memory_order_relaxed);
    return true;
  }

  const ModelInfo* info_;
  Unknown unknown_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<const Commit*> commit_{nullptr};  // owned; null: no transaction has put it
  mutable std::atomic<int> owners_{0};
  bool edited_ = false;  // edit() gave out a reference, so from now on this payload is copied instead of shared
};

// An owner. Copying an edited payload clones it: a reference kept from edit() can then never reach a cache.
class PayloadPtr {
 public:
  PayloadPtr() = default;
  explicit PayloadPtr(Payload* payload) : payload_(payload) {
    if (payload_ != nullptr) payload_->owners_.fetch_add(1, std::memory_order_relaxed);
  }
  PayloadPtr(const PayloadPtr& other)
      : PayloadPtr(other.payload_ != nullptr && other.payload_->edited_ ? other.payload_->clone() : other.payload_) {}
  PayloadPtr(PayloadPtr&& other) noexcept : payload_(std::exchange(other.payload_, nullptr)) {}
  PayloadPtr& operator=(PayloadPtr other) noexcept {
    std::swap(payload_, other.payload_);
    return *this;
  }
  ~PayloadPtr() {
    if (payload_ != nullptr && payload_->owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete payload_;
  }

  explicit operator bool() const { return payload_ != nullptr; }
  Payload* get() const { return payload_; }
  Payload* operator->() const { return payload_; }

  // A transaction is going to write this payload. Copies that are made from now on, by the write or by the users of the
  // handle, get the version of the commit together with it.
  void expect_commit() {
    const bool alone = payload_->edited_ || payload_->owners_.load(std::memory_order_acquire) == 1;
    if (!alone && payload_->link_shared_to_commit()) return;
    if (!alone) *this = PayloadPtr(payload_->clone());
    payload_->link_to_commit();
  }

  // Makes this the only owner and marks the payload as edited.
  void detach() {
    if (!payload_->edited_ && payload_->owners_.load(std::memory_order_acquire) != 1)
      *this = PayloadPtr(payload_->clone());
    payload_->edited_ = true;
  }

 private:
  Payload* payload_ = nullptr;
};

// Entity bytes (a serialized google.datastore.v1.Entity, key included) from a payload, ready for a put. Computed
// properties are included, and what was read and is not known. BadValueError, naming kind and property, for what the
// Datastore would refuse (limits of the Datastore API: 1500 bytes per indexed string or blob, 1,048,487 per other one,
// 1,048,572 per entity, depth 20, UTF-8 text, geo ranges).
absl::StatusOr<std::string> encode_entity(const Key& key, const Payload& payload);

// The reverse, as the class `info`; a PolyModel is decoded as the entity's own class, which extends `info`. Both
// layouts of google-cloud-ndb are read. The key inside the bytes is ignored (entity_key() reads it). BadValueError,
// naming kind, property, both types and the value, if a value does not fit the class; KindError if the entity is of
// another PolyModel; DATA_LOSS if the bytes are no entity. Null leaves a property at its default; of two properties
// with one name the last counts.
//
// The memory that the entity takes of its budget is also taken from `batch`; BadValueError if that is used up.
absl::StatusOr<PayloadPtr> decode_entity(const ModelInfo& info, const Key& key, std::string_view entity,
                                         Budget* batch = nullptr);
absl::StatusOr<Key> entity_key(std::string_view entity);  // NOT_FOUND if there is none in it

// The payload's properties as an ndb::Entity has them, with nothing compressed or turned into bytes.
absl::StatusOr<std::map<std::string, Value, std::less<>>> dynamic_properties(const Payload& payload);

// One google.datastore.v1.Value, for filters and projections. BadValueError as above.
absl::StatusOr<std::string> encode_value(const Value& value);
absl::StatusOr<Value> decode_value(std::string_view bytes);

}  // namespace ndb::detail
