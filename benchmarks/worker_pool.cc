// Many requests at a time: a worker pool of two threads beside a thread for each request.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "side_by_side.h"
#include "support/take_core.h"

namespace {

using namespace std::chrono_literals;

constexpr int kAtATime = 2000;
constexpr int kRequests = 10 * kAtATime;  // per call of a side
constexpr std::chrono::milliseconds kDelay{20};

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t balance = 0;
  };
  NDB_MODEL(name, balance)
};

// A Datastore that answers every Lookup after 20 ms with what it answered to the first one. It takes hardly any of the
// processors, which are for the client.
class SlowDatastore final : public ndb::datastore::ForwardingStub {
 public:
  explicit SlowDatastore(std::unique_ptr<ndb::datastore::Stub> next)
      : ForwardingStub(std::move(next)), thread_([this] { answer_all(); }) {}
  ~SlowDatastore() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void lookup(ndb::wire::LookupRequest request, const ndb::datastore::CallOptions& options,
              ndb::datastore::Done<ndb::wire::LookupResponse> done) override {
    if (!known_) {
      ForwardingStub::lookup(std::move(request), options,
                             [this, done = std::move(done)](absl::StatusOr<ndb::wire::LookupResponse> response) {
                               if (response.ok()) answer_ = *response;
                               known_ = response.ok();
                               done(std::move(response));
                             });
      return;
    }
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(std::chrono::steady_clock::now() + kDelay, std::move(done));
    if (waiting_.size() == 1) changed_.notify_one();
  }

 private:
  void answer_all() {
    std::unique_lock lock(mutex_);
    while (!over_) {
      if (waiting_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto due = waiting_.front().first;
      if (std::chrono::steady_clock::now() < due) {
        changed_.wait_until(lock, due);
        continue;
      }
      const auto done = std::move(waiting_.front().second);
      waiting_.pop_front();
      lock.unlock();
      done(answer_);
      lock.lock();
    }
  }

  std::atomic<bool> known_{false};
  ndb::wire::LookupResponse answer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::chrono::steady_clock::time_point, ndb::datastore::Done<ndb::wire::LookupResponse>>>
      waiting_;
  bool over_ = false;
  std::thread thread_;
};

void read() {
  if (Account::get_by_id("a")->balance != 7) throw std::runtime_error("another balance");
}

void check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

// kAtATime requests at a time, each of which begins the next one when it has ended, as clients of a server do.
void on_the_pool(ndb::WorkerPool& pool) {
  std::atomic<int> left{kRequests};
  std::latch ended(kAtATime);
  std::function<void()> next = [&] {
    if (left.fetch_sub(1) <= 0) return ended.count_down();
    pool.submit(
        {}, [] { read(); },
        [&](const absl::Status& status) {
          check(status);
          next();
        });
  };
  for (int i = 0; i < kAtATime; ++i) next();
  ended.wait();
}

// The same, each request on a thread of its own.
void on_threads(const ndb::Client& client) {
  std::atomic<int> left{kRequests};
  std::latch ended(kAtATime);
  std::function<void()> next = [&] {
    if (left.fetch_sub(1) <= 0) return ended.count_down();
    std::thread([&] {
      {
        const auto scope = client.context();
        read();
      }
      next();
    }).detach();
  };
  for (int i = 0; i < kAtATime; ++i) next();
  ended.wait();
}

// The same, on as many threads, which are kept: a classical pool of blocking threads.
void on_kept_threads(const ndb::Client& client) {
  std::atomic<int> left{kRequests};
  std::vector<std::thread> threads;
  for (int i = 0; i < kAtATime; ++i) {
    threads.emplace_back([&] {
      while (left.fetch_sub(1) > 0) {
        const auto scope = client.context();
        read();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
  const auto server = ndb::LocalDatastore::start();
  ndb::ClientOptions options;
  options.project = "bench";
  options.channel = server->channel();
  options.memcached_hosts = std::vector<std::string>{};
  const auto core = ndb::testing::take_core(ndb::Client(options));
  core->stub = std::make_unique<SlowDatastore>(std::move(core->stub));
  const ndb::Client client = ndb::detail::ClientAccess::make(core);
  {
    const auto scope = client.context();
    Account::make({.name = "A", .balance = 7}, ndb::id("a")).put();
    scope->clear_cache();
    read();
  }
  ndb::WorkerPool pool(client, {.threads = 2, .max_running = kAtATime});
  std::printf("%d requests, %d at a time, of one Lookup that takes %d ms each: no less than %d ms\n", kRequests,
              kAtATime, static_cast<int>(kDelay.count()), static_cast<int>(kRequests / kAtATime * kDelay.count()));
  const bool met = ndb::benchmarks::run_side_by_side(
      {
          {"20,000 requests on 2 threads", "a thread for each request", 1, 1, [&] { on_the_pool(pool); },
           [&] { on_threads(client); }},
          {"the same", "2,000 threads that are kept", ndb::benchmarks::kNoGoal, 1, [&] { on_the_pool(pool); },
           [&] { on_kept_threads(client); }},
      },
      rounds);
  std::printf("\n%s\n", met ? "every goal is met" : "some goals are missed");
  return 0;
}
