// The process-wide cache compared with a hand-written one, and its eviction order compared with plain LRU.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "ndb/ndb.h"
#include "shared_cache/store.h"
#include "side_by_side.h"
#include "support/memcached_server.h"

namespace {

constexpr std::size_t kKeys = 10'000;
constexpr std::size_t kCallsPerThread = 200'000;

using Value = std::shared_ptr<const std::string>;

struct GuardedMap {
  Value find(const std::string& key) {
    const absl::MutexLock lock(&mutex);
    return map.find(key)->second;
  }
  absl::Mutex mutex;
  absl::flat_hash_map<std::string, Value> map;
};

// Runs `threads` threads, each of which calls `find` for the keys in an order of its own.
void run_threads(std::size_t threads, const std::vector<std::size_t>& order,
                 const std::function<Value(std::size_t)>& find) {
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      for (std::size_t i = 0; i < kCallsPerThread; ++i) {
        benchmark::DoNotOptimize(find(order[(i + t * 37) % order.size()]));
      }
    });
  }
  for (std::thread& thread : running) thread.join();
}

// ---- Hit ratios ----

class PlainLru {
 public:
  explicit PlainLru(std::size_t capacity) : capacity_(capacity) {}
  bool use(std::size_t key) {
    if (const auto found = places_.find(key); found != places_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return true;
    }
    order_.push_front(key);
    places_[key] = order_.begin();
    if (order_.size() > capacity_) {
      places_.erase(order_.back());
      order_.pop_back();
    }
    return false;
  }

 private:
  std::size_t capacity_;
  std::list<std::size_t> order_;
  std::unordered_map<std::size_t, std::list<std::size_t>::iterator> places_;
};

class Ours {
 public:
  explicit Ours(std::size_t capacity) : store_(capacity, SIZE_MAX) {}
  bool use(std::size_t key) {
    const std::string name = std::to_string(key);
    const std::size_t hash = std::hash<std::string>()(name);
    if (store_.visit(name, hash, [](int) {})) return true;
    store_.put(name, hash, 0, 1);
    return false;
  }

 private:
  ndb::shared_cache::SharedStore<int> store_;
};

class Zipf {
 public:
  Zipf(std::size_t keys, double exponent) : sums_(keys) {
    double sum = 0;
    for (std::size_t i = 0; i < keys; ++i) sums_[i] = sum += std::pow(static_cast<double>(i + 1), -exponent);
  }
  std::size_t operator()(std::mt19937& random) {
    const double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
    return static_cast<std::size_t>(std::ranges::lower_bound(sums_, at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

// The hit ratio of a million uses of 100,000 keys. With `scan`, four keys that are used only once follow every tenth
// use.
template <class Cache>
double hit_ratio(std::size_t capacity, double exponent, bool scan) {
  constexpr std::size_t kUses = 1'000'000, kPopulation = 100'000;
  Cache cache(capacity);
  Zipf zipf(kPopulation, exponent);
  std::mt19937 random(7);
  std::size_t hits = 0, scanned = kPopulation;
  for (std::size_t i = 0; i < kUses; ++i) {
    hits += cache.use(zipf(random)) ? 1 : 0;
    for (int j = 0; scan && i % 10 == 0 && j < 4; ++j) cache.use(scanned++);
  }
  return static_cast<double>(hits) / kUses;
}

void print_hit_ratios() {
  std::printf("\nhit ratio, 100,000 keys                      ours   LRU\n");
  for (const bool scan : {false, true}) {
    for (const double exponent : {0.7, 0.9, 1.1}) {
      for (const std::size_t capacity : {std::size_t{1000}, std::size_t{10'000}}) {
        std::printf("Zipf %.1f, capacity %6zu%s  %.3f  %.3f\n", exponent, capacity,
                    scan ? ", and a scan" : "            ", hit_ratio<Ours>(capacity, exponent, scan),
                    hit_ratio<PlainLru>(capacity, exponent, scan));
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  const ndb::testing::MemcachedServer memcached;
  ndb::ClientOptions options;
  options.project = "bench";
  options.emulator_host = "127.0.0.1:1";  // never called
  options.memcached_hosts = {memcached.address()};
  options.memcache_connect_timeout = options.memcache_io_timeout = std::chrono::seconds(5);
  const ndb::Client client(options);
  const auto scope = client.context();

  ndb::SharedCache<std::string> bounded(
      client, {.name = "bounded", .capacity = 2 * kKeys, .max_staleness = std::chrono::hours(1)});
  ndb::SharedCache<std::string> exact(client, {.name = "exact"});
  GuardedMap guarded;
  std::vector<std::string> keys;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys.push_back("configuration/" + std::to_string(i));
    guarded.map.emplace(keys.back(), std::make_shared<const std::string>(keys.back()));
    order.push_back(i);
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  const auto same = [](const std::vector<std::string>& missing) { return missing; };
  const auto itself = [](const std::string& key) { return key; };
  bounded.get_multi(keys, same);
  const std::vector<std::string> hundred(keys.begin(), keys.begin() + 100);
  exact.get_multi(hundred, same);

  std::vector<std::size_t> hot(order.begin(), order.begin() + 1000);
  std::size_t next = 0;
  const auto one = [&](const std::vector<std::size_t>& of) -> const std::string& {
    return keys[of[next = (next + 1) % of.size()]];
  };
  const auto ours = [&](std::size_t i) { return bounded.get(keys[i], itself); };
  const auto by_hand = [&](std::size_t i) { return guarded.find(keys[i]); };
  const bool met = ndb::benchmarks::run_side_by_side(
      {
          {"hit within a bound, 1,000 values", "bare flat_hash_map find", 3, 100'000,
           [&] { benchmark::DoNotOptimize(bounded.get(one(hot), itself)); },
           [&] { benchmark::DoNotOptimize(guarded.map.find(one(hot))); }},
          {"hit within a bound, 10,000 values", "bare flat_hash_map find", 3, 100'000,
           [&] { benchmark::DoNotOptimize(bounded.get(one(order), itself)); },
           [&] { benchmark::DoNotOptimize(guarded.map.find(one(order))); }},
          {"the same", "flat_hash_map find + copy under absl::Mutex", 2, 100'000,
           [&] { benchmark::DoNotOptimize(bounded.get(one(order), itself)); },
           [&] { benchmark::DoNotOptimize(guarded.find(one(order))); }},
          {"200,000 hits, 1 thread", "the same map and mutex", 2, 1, [&] { run_threads(1, order, ours); },
           [&] { run_threads(1, order, by_hand); }},
          {"2 x 200,000 hits, 2 threads", "the same map and mutex", 2, 1, [&] { run_threads(2, order, ours); },
           [&] { run_threads(2, order, by_hand); }},
          {"100 hits with a look at their tags", "100 x 1.5 us", 1, 50,
           [&] { benchmark::DoNotOptimize(exact.get_multi(hundred, same)); },
           [&] {
             const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(150);
             while (std::chrono::steady_clock::now() < end) {
             }
           }},
      },
      rounds);
  print_hit_ratios();
  std::printf("\n%s\n", met ? "every goal is met" : "some goals are missed");
  return 0;
}
