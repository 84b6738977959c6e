#include "base/segmented_lru.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <random>
#include <unordered_map>

namespace ndb {
namespace {

struct Slot : LruEntry {
  int key = 0;
  std::size_t bytes = 0;
};
using Order = SegmentedLru<Slot>;

// A cache as the context has one: a map whose nodes are the entries.
class Cache {
 public:
  explicit Cache(std::size_t entries = Order::kUnlimited, std::size_t bytes = Order::kUnlimited) {
    set_limit(entries, bytes);
  }
  void set_limit(std::size_t entries, std::size_t bytes) {
    entries_ = entries;
    bytes_ = bytes;
    order_.set_limit(entries, bytes);
    evict();
  }
  void put(int key, std::size_t bytes = 1) {
    const auto [slot, added] = slots_.try_emplace(key);
    slot->second.key = key;
    slot->second.bytes = bytes;
    if (added) {
      order_.add(slot->second, std::hash<int>()(key), bytes);
    } else {
      order_.resize(slot->second, bytes);
      order_.touch(slot->second);
    }
    evict();
  }
  bool get(int key) {
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return false;
    order_.touch(slot->second);
    return true;
  }
  // One use by a program: returns whether it was a hit.
  bool use(int key) {
    const bool hit = get(key);
    if (!hit) put(key);
    return hit;
  }
  bool contains(int key) const { return slots_.contains(key); }
  void erase(int key) {
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return;
    order_.remove(slot->second);
    slots_.erase(slot);
  }
  void clear() {
    slots_.clear();
    order_.clear();
  }
  void check() const {
    std::size_t sum = 0;
    for (const auto& [key, slot] : slots_) sum += slot.bytes;
    ASSERT_EQ(order_.size(), slots_.size());
    ASSERT_EQ(order_.bytes(), sum);
    ASSERT_LE(order_.size(), entries_);
    ASSERT_LE(order_.bytes(), bytes_);
  }

 private:
  void evict() {
    while (Slot* slot = order_.excess()) erase(slot->key);
  }
  std::unordered_map<int, Slot> slots_;
  Order order_;
  std::size_t entries_ = 0, bytes_ = 0;
};

TEST(SegmentedLru, KeepsItsBooksAndItsLimits) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  Cache cache;
  for (int step = 0; step < 50'000; ++step) {
    const int key = static_cast<int>(pick(40));
    const std::size_t action = pick(1000);
    if (action < 450) {
      cache.put(key, pick(100));
    } else if (action < 890) {
      ASSERT_EQ(cache.contains(key), cache.get(key)) << "step " << step;
    } else if (action < 990) {
      cache.erase(key);
    } else if (action < 998) {
      cache.set_limit(pick(3) == 0 ? Order::kUnlimited : pick(30), pick(3) == 0 ? Order::kUnlimited : pick(1500));
    } else {
      cache.clear();
    }
    ASSERT_NO_FATAL_FAILURE(cache.check()) << "step " << step;
  }
}

TEST(SegmentedLru, UsedEntriesOutliveUnusedOnes) {
  Cache cache(4);
  for (int key : {1, 2, 3, 4}) cache.put(key);
  cache.get(1);
  cache.get(3);
  cache.put(5);
  cache.put(6);
  EXPECT_TRUE(cache.contains(1));
  EXPECT_TRUE(cache.contains(3));
  EXPECT_TRUE(cache.contains(6)) << "the newest";
}

TEST(SegmentedLru, AScanPassesByWhatIsInUse) {
  Cache cache(100);
  for (int round = 0; round < 3; ++round) {
    for (int key = 0; key < 71; ++key) cache.use(key);  // the last one is used in the window alone
  }
  for (int key = 1000; key < 6000; ++key) {
    cache.use(key);
    ASSERT_TRUE(cache.contains(key)) << "the newest stays until the next";
  }
  for (int key = 0; key < 70; ++key) EXPECT_TRUE(cache.contains(key)) << key;
}

TEST(SegmentedLru, FrequenciesAge) {
  Cache cache(100);
  for (int round = 0; round < 20; ++round) {
    for (int key = 0; key < 100; ++key) cache.use(key);
  }
  int hits = 0;
  for (int round = 0; round < 60; ++round) {
    hits = 0;
    for (int key = 200; key < 280; ++key) hits += cache.use(key) ? 1 : 0;
  }
  EXPECT_EQ(hits, 80);
}

TEST(SegmentedLru, AnEntryLargerThanTheLimitIsItselfExcess) {
  Cache cache(Order::kUnlimited, 100);
  cache.put(1, 50);
  cache.put(2, 101);
  ASSERT_NO_FATAL_FAILURE(cache.check());
  EXPECT_FALSE(cache.contains(2));
}

TEST(FrequencySketch, CountsForgetsAndNeverUnderestimates) {
  FrequencySketch sketch;
  sketch.resize(1024);
  std::mt19937 random(7);
  std::map<std::size_t, int> counts;
  for (int i = 0; i < 5'000; ++i) {  // fewer than what halves the counters
    const std::size_t hash = random() % 800;
    sketch.count(hash);
    ++counts[hash];
  }
  int exact = 0;
  for (const auto& [hash, count] : counts) {
    const int most = std::min(count, FrequencySketch::kMost);
    ASSERT_GE(sketch.estimate(hash), most);
    exact += sketch.estimate(hash) == most ? 1 : 0;
  }
  EXPECT_GT(exact, static_cast<int>(counts.size()) / 2);
  const int before = sketch.estimate(counts.begin()->first);
  for (std::size_t i = 0; i < 6'000; ++i) sketch.count(1'000'000 + i);
  EXPECT_LT(sketch.estimate(counts.begin()->first), before);
}

}  // namespace
}  // namespace ndb
