#include "shared_cache/store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ndb::shared_cache {
namespace {

std::size_t hash_of(const std::string& key) { return std::hash<std::string>()(key); }

template <class Value>
std::optional<Value> get(SharedStore<Value>& store, const std::string& key, std::size_t hash) {
  std::optional<Value> found;
  store.visit(key, hash, [&](const Value& value) { found = value; });
  return found;
}

TEST(SharedStore, BehavesAsAMap) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  SharedStore<int> store(1000, SIZE_MAX);  // more than there are keys: nothing leaves
  std::map<std::string, int> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::string key(random() % 40, 'k');  // the empty one too
    const std::size_t hash = key.size() % 7;    // many collide
    switch (random() % 8) {
      case 0:
      case 1:
        store.put(key, hash, step, 1);
        model[key] = step;
        break;
      case 2:
        store.erase(key, hash);
        model.erase(key);
        break;
      case 3:
        if (step % 500 == 0) {
          store.clear();
          model.clear();
        }
        break;
      default: {
        const auto expected = model.find(key);
        ASSERT_EQ(get(store, key, hash), expected == model.end() ? std::nullopt : std::optional(expected->second));
      }
    }
    ASSERT_EQ(store.size().entries, model.size());
  }
}

TEST(SharedStore, KeepsItsLimitsAndWhatIsInUse) {
  SharedStore<int> store(100, 1000);
  const auto key = [](int i) { return "key" + std::to_string(i); };
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) {
      if (!get(store, key(i), hash_of(key(i)))) store.put(key(i), hash_of(key(i)), i, 10);
    }
  }
  for (int i = 1000; i < 3000; ++i) {
    store.put(key(i), hash_of(key(i)), i, 10);
    if (i % 50 == 0) {
      for (int hot = 0; hot < 20; ++hot) get(store, key(hot), hash_of(key(hot)));
    }
  }
  int kept = 0;
  for (int i = 0; i < 20; ++i) kept += get(store, key(i), hash_of(key(i))) ? 1 : 0;
  EXPECT_GE(kept, 18);
  EXPECT_LE(store.size().entries, 100u);
  EXPECT_LE(store.size().bytes, 1000u);
  EXPECT_GE(store.size().evictions, 1900u);
  store.put("large", hash_of("large"), 1, 1001);
  EXPECT_FALSE(get(store, "large", hash_of("large")));
  EXPECT_GE(store.size().entries, 90u) << "what is too large drives nobody out";
}

TEST(SharedStore, ValuesEndOutsideTheLocks) {
  struct Last {
    explicit Last(SharedStore<std::shared_ptr<Last>>& s) : store(&s) {}
    ~Last() {  // NOLINT(bugprone-exception-escape)
      store->visit("other", 1, [](const auto&) {});
      store->erase("other", 1);
    }
    SharedStore<std::shared_ptr<Last>>* store;
  };
  SharedStore<std::shared_ptr<Last>> store(4, SIZE_MAX);
  for (std::size_t i = 0; i < 20; ++i) store.put(std::to_string(i), i, std::make_shared<Last>(store), 1);
  store.put("19", 19, nullptr, 1);
  store.erase("18", 18);
  store.clear();
  EXPECT_EQ(store.size().entries, 0u);
}

// Nodes are reused all the time; a reader must never see the value of another key, nor miss a key that is present
// throughout.
TEST(SharedStore, ReadersAmongWritersSeeWhatIsThere) {
  SharedStore<std::string> store(64, SIZE_MAX);
  const auto key = [](std::size_t i) { return "k" + std::to_string(i); };
  constexpr std::size_t kHashes = 16;  // long chains
  store.put("always", 3, "always", 0);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, missed{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 60'000; ++i) {
        const std::size_t n = random() % 40;
        if (random() % 3 == 0) {
          store.erase(key(n), n % kHashes);
        } else {
          store.put(key(n), n % kHashes, key(n), 1);
        }
      }
      stop = true;
    });
  }
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(100 + t);
      while (!stop) {
        const std::size_t n = random() % 40;
        const auto value = get(store, key(n), n % kHashes);
        if (value && *value != key(n)) ++wrong;
        if (!get(store, "always", 3)) ++missed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace ndb::shared_cache
