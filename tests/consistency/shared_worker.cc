// A process whose threads get and invalidate values of one SharedCache, and check what they get.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "consistency/shared_truth.h"
#include "ndb/log.h"
#include "ndb/ndb.h"

namespace ndb::consistency {
namespace {

using std::chrono::milliseconds;

constexpr int kThreads = 2;
constexpr milliseconds kBound{100};

void sleep_up_to(std::mt19937_64& random, std::uint64_t microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(random() % microseconds));
}

class SharedWorker {
 public:
  SharedWorker(SharedTruth& truth, const Client& client)
      : truth_(truth),
        exact_(client, {.name = "history", .timeout = milliseconds(300), .capacity = 6}),
        bounded_(
            client,
            {.name = "history", .max_staleness = kBound, .when_unreachable = WhenUnreachable::serve_within(kBound)}),
        client_(client) {}

  void run(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop_) {
      // Half of the sessions have a context of their own, the others one for each get.
      const auto scope = random() % 2 == 0 ? std::make_unique<Session>(client_) : nullptr;
      for (int i = 0; i < 50 && !stop_; ++i) act(random);
    }
  }
  void stop() { stop_ = true; }

 private:
  using Cache = SharedCache<std::uint64_t>;
  struct Session {
    explicit Session(const Client& client) : scope(client.context()) {}
    ContextScope scope;
  };

  void act(std::mt19937_64& random) {
    const std::uint64_t what = random() % 100;
    const std::size_t key = random() % kSharedKeys;
    if (what < 5) {
      write(key);
    } else if (what < 50) {
      get(exact_, {key}, random, std::chrono::nanoseconds(0));
    } else if (what < 70) {
      get(exact_, {key, (key + 3) % kSharedKeys, (key + 5) % kSharedKeys}, random, std::chrono::nanoseconds(0));
    } else {
      get(bounded_, {key}, random, kBound);
    }
  }

  void write(std::size_t key) {
    const std::uint64_t value = truth_.keys[key].write();
    try {
      exact_.invalidate(name(key));
      truth_.keys[key].ended(value);
      ++truth_.counts.invalidations;
    } catch (const Error&) {
      ++truth_.counts.not_invalidated;  // nothing is promised
    }
  }

  void get(Cache& cache, const std::vector<std::size_t>& keys, std::mt19937_64& random,
           std::chrono::nanoseconds bound) {
    std::vector<std::string> names;
    std::vector<std::uint64_t> floors;
    for (const std::size_t key : keys) {
      names.push_back(name(key));
      floors.push_back(truth_.keys[key].floor());
    }
    const std::int64_t began = shared_now();
    const auto values = cache.get_multi(names, [&](const std::vector<std::string>& missing) {
      ++truth_.counts.provider_calls;
      std::vector<std::uint64_t> computed;
      for (const std::string& one : missing) computed.push_back(truth_.keys[std::stoul(one)].value());
      sleep_up_to(random, 2000);  // the values grow old on their way
      return computed;
    });
    ++(bound.count() == 0 ? truth_.counts.gets : truth_.counts.bounded_gets);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::uint64_t value = *values[i];
      if (value >= floors[i]) continue;
      if (bound.count() != 0 && !truth_.keys[keys[i]].was_stale(value, began - bound.count())) continue;
      if (truth_.counts.violations.fetch_add(1) > 0) continue;
      const std::string text =
          cat("key ", keys[i], ": a get that began when the invalidation after the write of ", floors[i],
              " had ended returned ", value, bound.count() == 0 ? "" : " beyond the bound");
      std::snprintf(truth_.first_violation.data(), truth_.first_violation.size(), "%s", text.c_str());
    }
  }

  static std::string name(std::size_t key) { return std::to_string(key); }

  SharedTruth& truth_;
  Cache exact_, bounded_;
  const Client client_;
  std::atomic<bool> stop_{false};
};

}  // namespace

std::int64_t shared_now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

void SharedKey::ended(std::uint64_t value) {
  Ended& entry = ended_[value % kRemembered];
  entry.time = shared_now();
  entry.value = value;
  std::uint64_t floor = floor_;
  while (floor < value && !floor_.compare_exchange_weak(floor, value)) {
  }
}

bool SharedKey::was_stale(std::uint64_t value, std::int64_t time) const {
  for (std::uint64_t later = value + 1; later <= floor_; ++later) {
    const Ended& entry = ended_[later % kRemembered];
    const std::int64_t ended = entry.time;
    if (entry.value == later && ended < time) return true;
  }
  return false;
}

SharedTruth& map_truth(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), path);
  void* const memory = mmap(nullptr, sizeof(SharedTruth), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int error = errno;
  close(file);
  if (memory == MAP_FAILED) throw std::system_error(error, std::generic_category(), path);
  return *static_cast<SharedTruth*>(memory);
}

std::string make_truth() {
  std::string path = (std::filesystem::temp_directory_path() / "ndb-shared-XXXXXX").string();
  const int file = mkstemp(path.data());
  if (file < 0 || ftruncate(file, sizeof(SharedTruth)) != 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
  close(file);
  return path;
}

int run_shared_worker(const std::string& path, std::uint64_t seed, const std::string& memcacheds) {
  set_log_sink([](Severity, std::string_view) {});  // that servers fail is no news here
  ClientOptions options;
  options.project = "history";
  options.emulator_host = "127.0.0.1:1";  // never asked
  options.memcached_hosts = {memcacheds.substr(0, memcacheds.find(',')), memcacheds.substr(memcacheds.find(',') + 1)};
  options.memcache_connect_timeout = options.memcache_io_timeout = milliseconds(50);
  SharedWorker worker(map_truth(path), Client(options));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&worker, seed, i] { worker.run(seed + static_cast<std::uint64_t>(i)); });
  }
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  worker.stop();
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace ndb::consistency
