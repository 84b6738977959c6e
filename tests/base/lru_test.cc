#include "base/lru.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ndb {
namespace {

struct Slot : LruEntry {
  int key = 0;
};

// A cache as the context has one: a map whose nodes are the entries.
class Cache {
 public:
  void set_limit(std::size_t entries, std::size_t bytes) {
    lru_.set_limit(entries, bytes);
    evict();
  }
  void put(int key, std::size_t bytes) {
    const auto [slot, is_new] = slots_.try_emplace(key);
    if (is_new) {
      slot->second.key = key;
      lru_.add(slot->second, bytes);
    } else {
      lru_.resize(slot->second, bytes);
      lru_.touch(slot->second);
    }
    evict();
  }
  bool get(int key) {
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return false;
    lru_.touch(slot->second);
    return true;
  }
  bool erase(int key) {
    const auto slot = slots_.find(key);
    if (slot == slots_.end()) return false;
    lru_.remove(slot->second);
    slots_.erase(slot);
    return true;
  }
  void clear() {
    slots_.clear();
    lru_.clear();
  }
  std::size_t size() const { return lru_.size(); }
  std::size_t bytes() const { return lru_.bytes(); }
  int oldest() const { return lru_.oldest() == nullptr ? -1 : lru_.oldest()->key; }

 private:
  void evict() {
    while (Slot* slot = lru_.excess()) erase(slot->key);
  }
  std::unordered_map<int, Slot> slots_;
  Lru<Slot> lru_;
};

// The same by a list that is searched from one end to the other: (key, bytes), the oldest first.
class Model {
 public:
  using Slots = std::list<std::pair<int, std::size_t>>;
  void set_limit(std::size_t entries, std::size_t bytes) {
    entries_ = entries;
    bytes_limit_ = bytes;
    evict();
  }
  void put(int key, std::size_t bytes) {
    const auto slot = find(key);
    if (slot == slots_.end()) {
      slots_.emplace_back(key, bytes);
    } else {
      slot->second = bytes;
      touch(slot);
    }
    evict();
  }
  bool get(int key) {
    const auto slot = find(key);
    if (slot == slots_.end()) return false;
    touch(slot);
    return true;
  }
  bool erase(int key) {
    return slots_.remove_if([&](const auto& slot) { return slot.first == key; }) > 0;
  }
  void clear() { slots_.clear(); }
  std::size_t size() const { return slots_.size(); }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& slot : slots_) sum += slot.second;
    return sum;
  }
  int oldest() const { return slots_.empty() ? -1 : slots_.front().first; }

 private:
  Slots::iterator find(int key) {
    return std::ranges::find_if(slots_, [&](const auto& slot) { return slot.first == key; });
  }
  void touch(Slots::iterator slot) {
    if (entries_ == Lru<Slot>::kUnlimited && bytes_limit_ == Lru<Slot>::kUnlimited) return;
    slots_.splice(slots_.end(), slots_, slot);
  }
  void evict() {
    while (!slots_.empty() && (size() > entries_ || bytes() > bytes_limit_)) slots_.pop_front();
  }
  Slots slots_;
  std::size_t entries_ = Lru<Slot>::kUnlimited;
  std::size_t bytes_limit_ = Lru<Slot>::kUnlimited;
};

TEST(Lru, BehavesAsTheModel) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  Cache cache;
  Model model;
  for (int step = 0; step < 50'000; ++step) {
    const int key = static_cast<int>(pick(40));
    const std::size_t action = pick(1000);
    if (action < 450) {
      const std::size_t bytes = pick(100);
      cache.put(key, bytes);
      model.put(key, bytes);
    } else if (action < 890) {
      ASSERT_EQ(cache.get(key), model.get(key)) << "step " << step;
    } else if (action < 990) {
      ASSERT_EQ(cache.erase(key), model.erase(key)) << "step " << step;
    } else if (action < 998) {
      const std::size_t entries = pick(3) == 0 ? Lru<Slot>::kUnlimited : pick(30);
      const std::size_t bytes = pick(3) == 0 ? Lru<Slot>::kUnlimited : pick(1500);
      cache.set_limit(entries, bytes);
      model.set_limit(entries, bytes);
    } else {
      cache.clear();
      model.clear();
    }
    ASSERT_EQ(cache.size(), model.size()) << "step " << step;
    ASSERT_EQ(cache.bytes(), model.bytes()) << "step " << step;
    ASSERT_EQ(cache.oldest(), model.oldest()) << "step " << step;
  }
}

TEST(Lru, ForgetsWhatWasUsedLeastRecently) {
  Cache cache;
  cache.set_limit(3, Lru<Slot>::kUnlimited);
  for (int key : {1, 2, 3}) cache.put(key, 10);
  cache.get(1);
  cache.put(4, 10);
  EXPECT_FALSE(cache.get(2));
  for (int key : {1, 3, 4}) EXPECT_TRUE(cache.get(key)) << key;
}

TEST(Lru, AnEntryLargerThanTheLimitIsItselfExcess) {
  Cache cache;
  cache.set_limit(Lru<Slot>::kUnlimited, 100);
  cache.put(1, 50);
  cache.put(2, 101);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace ndb
