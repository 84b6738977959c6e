// A bounded hash table that all threads of a process share.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/mutex.h"
#include "base/segmented_lru.h"
#include "base/striped.h"

namespace ndb::shared_cache {

// Maps byte strings to values and evicts by SegmentedLru. Thread-safe.
//
// A read takes one lock, that of its node. It walks the chain of its bucket without a lock, as an optimistic read with
// a sequence counter: nodes are never freed, only reused for other keys, so the walk is safe, but a node that is
// removed during it may lead it into another bucket's chain. Every removal increments the counter; a read that has
// found nothing and sees that the counter has changed searches again under the writers' lock. Once the store is half
// full, a read records the node that it has used in a buffer; the next thread that gets the writers' lock
// without waiting reports the buffer to the LRU.
template <class Value>
class SharedStore {
 public:
  static constexpr std::size_t kMostEntries = std::size_t{1} << 26;

  // `entries`: 1 to kMostEntries.
  SharedStore(std::size_t entries, std::size_t bytes)
      : max_entries_(entries),
        max_bytes_(bytes),
        buckets_(std::bit_ceil(std::clamp<std::size_t>(entries, 1, kMostEntries))) {
    order_.set_limit(entries, bytes);
  }

  // Prefetches the memory that a visit() will need.
  void expect_visit(std::size_t hash) {
    const Node* const node = bucket(hash).load(std::memory_order_acquire);
    if (node == nullptr) return;
    __builtin_prefetch(node);
    __builtin_prefetch(&static_cast<const Looked*>(node)->value);
  }

  // Calls `use` with the value of the key, which nobody else uses meanwhile. False if there is none.
  template <class Use>
  bool visit(std::string_view key, std::size_t hash, Use use) {
    const std::uint64_t removals = removals_.load(std::memory_order_acquire);
    std::size_t steps = 0;
    for (Node* node = bucket(hash).load(std::memory_order_acquire); node != nullptr && steps < kLongestWalk;
         node = node->next.load(std::memory_order_acquire), ++steps) {
      if (node->hash.load(std::memory_order_relaxed) != hash || !use_if(*node, key, use)) continue;
      if (half_full_.load(std::memory_order_relaxed)) note_use(*node);
      return true;
    }
    if (steps < kLongestWalk && removals_.load(std::memory_order_acquire) == removals) return false;
    MutexLock lock(mutex_);
    for (Node* node = bucket(hash).load(std::memory_order_relaxed); node != nullptr;
         node = node->next.load(std::memory_order_relaxed)) {
      if (node->hash.load(std::memory_order_relaxed) != hash || !use_if(*node, key, use)) continue;
      order_.touch(*node);
      return true;
    }
    return false;
  }

  // `bytes`: the size of the value; a value larger than the store is not kept. Returns the evicted values, whose
  // destructors may do anything: a caller that holds locks destroys them after releasing these.
  std::vector<Value> put(std::string_view key, std::size_t hash, Value value, std::size_t bytes) {
    if (bytes > max_bytes_) return erase(key, hash);
    std::vector<Value> dropped;
    MutexLock lock(mutex_);
    report_uses();
    if (Node* const node = find(key, hash); node != nullptr) {
      {
        SpinLockHold use(node->lock);
        dropped.push_back(std::exchange(node->value, std::move(value)));
      }
      order_.resize(*node, bytes);
      order_.touch(*node);
    } else {
      link(key, hash, std::move(value), bytes);
    }
    while (Node* const next = order_.excess()) {
      dropped.push_back(unlink(*next));
      ++evictions_;
    }
    half_full_.store(order_.size() > max_entries_ / 2 || order_.bytes() > max_bytes_ / 2, std::memory_order_relaxed);
    return dropped;
  }

  std::vector<Value> erase(std::string_view key, std::size_t hash) {
    std::vector<Value> dropped;
    MutexLock lock(mutex_);
    if (Node* const node = find(key, hash); node != nullptr) dropped.push_back(unlink(*node));
    return dropped;
  }

  void clear() {
    std::vector<Value> dropped;  // destroyed after the lock is released
    MutexLock lock(mutex_);
    for (Node& node : nodes_) {
      if (node.linked) dropped.push_back(unlink(node));
    }
  }

  struct Size {
    std::size_t entries = 0, bytes = 0;
    std::uint64_t evictions = 0;
  };
  Size size() const {
    MutexLock lock(mutex_);
    return {order_.size(), order_.bytes(), evictions_};
  }

 private:
  struct Node;
  using Bytes = absl::InlinedVector<char, 32>;
  // In the order in which a read needs them: one cache line has the fields that identify the node, then the value.
  struct Looked {
    std::atomic<std::size_t> hash{0};
    std::atomic<Node*> next{nullptr};
    SpinLock lock;        // taken after the mutex of the store
    bool linked = false;  // changed under both locks, so that either suffices to read it
    Bytes key NDB_GUARDED_BY(lock);
    Value value NDB_GUARDED_BY(lock){};
  };
  struct alignas(64) Node : Looked, LruEntry {
    bool holds(std::string_view name) const NDB_REQUIRES(Looked::lock) {
      return this->linked && std::string_view(this->key.data(), this->key.size()) == name;
    }
  };
  using Bucket = std::atomic<Node*>;

  // Uses that have not been reported yet. While it is full, further uses are lost.
  struct alignas(64) UseBuffer {
    static constexpr std::uint32_t kSize = 24;
    std::atomic<std::uint32_t> size{0};
    std::array<std::atomic<Node*>, kSize> nodes{};
  };
  static constexpr std::size_t kLongestWalk = 1000;  // after this a reader searches again under the lock

  Bucket& bucket(std::size_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }

  template <class Use>
  static bool use_if(Node& node, std::string_view key, Use& use) {
    SpinLockHold hold(node.lock);
    if (!node.holds(key)) return false;
    use(node.value);
    return true;
  }

  Node* find(std::string_view key, std::size_t hash) NDB_REQUIRES(mutex_) {
    Node* node = bucket(hash).load(std::memory_order_relaxed);
    const auto is_it = [&] {
      if (node->hash.load(std::memory_order_relaxed) != hash) return false;
      SpinLockHold hold(node->lock);
      return node->holds(key);
    };
    while (node != nullptr && !is_it()) node = node->next.load(std::memory_order_relaxed);
    return node;
  }

  void link(std::string_view key, std::size_t hash, Value value, std::size_t bytes) NDB_REQUIRES(mutex_) {
    Node* node = unused_;
    if (node != nullptr) {
      unused_ = node->next.load(std::memory_order_relaxed);
    } else {
      node = &nodes_.emplace_back();
    }
    Bytes name(key.begin(), key.end());
    {
      SpinLockHold hold(node->lock);
      node->key.swap(name);
      node->value = std::move(value);
      node->linked = true;
    }
    node->hash.store(hash, std::memory_order_relaxed);
    node->next.store(bucket(hash).load(std::memory_order_relaxed), std::memory_order_release);
    bucket(hash).store(node, std::memory_order_release);
    order_.add(*node, hash, bytes);
  }

  Value unlink(Node& node) NDB_REQUIRES(mutex_) {
    Bucket* link = &bucket(node.hash.load(std::memory_order_relaxed));
    while (link->load(std::memory_order_relaxed) != &node) link = &link->load(std::memory_order_relaxed)->next;
    link->store(node.next.load(std::memory_order_relaxed), std::memory_order_release);
    // After the node has left its chain, and before its `next` leads elsewhere: a reader that sees the new count cannot
    // reach the node any more, and one that is at the node sees the new count when it ends.
    removals_.fetch_add(1, std::memory_order_release);
    order_.remove(node);
    node.next.store(std::exchange(unused_, &node), std::memory_order_release);
    SpinLockHold hold(node.lock);
    node.linked = false;
    return std::exchange(node.value, Value{});
  }

  void note_use(Node& node) {
    UseBuffer& buffer = uses_[thread_stripe()];
    const std::uint32_t at = buffer.size.fetch_add(1, std::memory_order_relaxed);
    if (at < UseBuffer::kSize) buffer.nodes[at].store(&node, std::memory_order_relaxed);
    if (at + 1 < UseBuffer::kSize || !mutex_.try_lock()) return;
    report_uses();
    mutex_.unlock();
  }

  void report_uses() NDB_REQUIRES(mutex_) {
    for (UseBuffer& buffer : uses_) {
      if (buffer.size.load(std::memory_order_relaxed) == 0) continue;
      for (std::atomic<Node*>& use : buffer.nodes) {
        Node* const node = use.exchange(nullptr, std::memory_order_relaxed);
        if (node != nullptr && node->linked) order_.touch(*node);
      }
      buffer.size.store(0, std::memory_order_relaxed);
    }
  }

  const std::size_t max_entries_, max_bytes_;
  std::vector<Bucket> buckets_;
  std::array<UseBuffer, kStripes> uses_;
  std::atomic<bool> half_full_{false};
  std::atomic<std::uint64_t> removals_{0};
  mutable Mutex mutex_;  // of the writers
  std::deque<Node> nodes_ NDB_GUARDED_BY(mutex_);
  Node* unused_ NDB_GUARDED_BY(mutex_) = nullptr;  // linked by `next`
  SegmentedLru<Node> order_ NDB_GUARDED_BY(mutex_);
  std::uint64_t evictions_ NDB_GUARDED_BY(mutex_) = 0;
};

}  // namespace ndb::shared_cache
