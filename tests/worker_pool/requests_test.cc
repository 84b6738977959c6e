// What a request to the pool gets: a tasklet, a context, its result, its turn.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "tasklet/stack.h"
#include "worker_pool/pool_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

#if defined(NDB_TSAN)
constexpr int kMany = 300;  // it needs over half a megabyte for each fiber
#else
constexpr int kMany = 2000;
#endif

class Requests : public WorkerPoolTest {};

TEST_F(Requests, GiveTheirResultInAFuture) {
  WorkerPool pool(client_, {.threads = 2});
  EXPECT_EQ(pool.submit({}, [] { return 7; }).get(), 7);
  auto owner = std::make_unique<int>(8);  // neither handlers nor results need to be copyable
  EXPECT_EQ(*pool.submit({}, [owner = std::move(owner)]() mutable { return std::move(owner); }).get(), 8);
  std::future<void> nothing = pool.submit({}, [] {});
  nothing.get();
  EXPECT_THROW(pool.submit({}, []() -> int { throw std::out_of_range("mine"); }).get(), std::out_of_range);
  EXPECT_THROW(pool.submit({}, [] { Item::get_by_id(std::string(2000, 'x')); }).get(), BadKeyError);
  EXPECT_THAT(lines(), IsEmpty()) << "whoever submitted them knows";
}

TEST_F(Requests, OrCallBack) {
  std::promise<std::thread::id> thread;
  std::promise<absl::StatusOr<int>> number, unknown, own;
  std::promise<absl::Status> nothing;
  {
    WorkerPool pool(client_, {.threads = 1});
    pool.submit(
        {}, [] { return std::this_thread::get_id(); },
        [&](const absl::StatusOr<std::thread::id>& id) {
          EXPECT_EQ(*id, std::this_thread::get_id()) << "on the request's thread";
          thread.set_value(*id);
        });
    pool.submit({}, [] { return 7; }, [&](absl::StatusOr<int> result) { number.set_value(std::move(result)); });
    pool.submit({}, [] {}, [&](absl::Status status) { nothing.set_value(std::move(status)); });
    pool.submit(
        {}, []() -> int { throw std::out_of_range("mine"); },
        [&](absl::StatusOr<int> result) { unknown.set_value(std::move(result)); }, "name");
    pool.submit(
        {}, []() -> int { throw KindError("no such kind"); },
        [&](absl::StatusOr<int> result) { own.set_value(std::move(result)); });
    EXPECT_TRUE(pool.stop(std::chrono::hours(1)));
  }
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
  EXPECT_EQ(*number.get_future().get(), 7);
  EXPECT_TRUE(nothing.get_future().get().ok());
  const absl::Status status = unknown.get_future().get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(std::string(status.message()), HasSubstr("mine"));
  EXPECT_EQ(own.get_future().get().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Requests, HaveContextsOfTheirOwn) {
  in_new_context(client_, [] { Item::make({.n = 1}, ndb::id("x")).put(); });
  WorkerPool pool(client_, {.threads = 1});
  std::atomic<bool> open{false};
  const auto read_twice = [&] {
    EXPECT_EQ(get_context().cache_size(), 0u);
    Item::get_by_id("x");
    EXPECT_EQ(get_context().cache_size(), 1u);
    park_until(open);
    EXPECT_EQ(get_context().cache_size(), 1u);
    return &get_context();
  };
  std::future<Context*> one = pool.submit({}, read_twice), other = pool.submit({}, read_twice);
  wait_until([&] { return pool.stats().running == 2; });
  open = true;
  EXPECT_NE(one.get(), other.get());
  pool.submit({}, [] { EXPECT_EQ(get_context().cache_size(), 0u); }).get();
}

TEST_F(Requests, HaveTheOptionsOfTheirContext) {
  WorkerPool pool(client_, {.threads = 1});
  pool.submit({.namespace_ = "tenant"}, [] { Item::make({.n = 1}, ndb::id("x")).put(); }).get();
  EXPECT_TRUE(pool.submit({.namespace_ = "tenant"}, [] { return bool{Item::get_by_id("x")}; }).get());
  EXPECT_FALSE(pool.submit({}, [] { return bool{Item::get_by_id("x")}; }).get());
}

// Nothing is lost that a handler has started: writes nobody waited for, and tasklets.
TEST_F(Requests, EndWhenAllThatTheyStartedHasEnded) {
  WorkerPool pool(client_, {.threads = 1});
  bool spawned = false;
  pool.submit({},
              [&] {
                Item::make({.n = 1}, ndb::id("x")).put_async();
                detail::in_background([&] {
                  ndb::sleep(std::chrono::milliseconds(1));
                  spawned = true;
                });
              })
      .get();
  EXPECT_TRUE(spawned);
  in_new_context(client_, [] { EXPECT_TRUE(Item::get_by_id("x", {.use_memcache = false})); });
  EXPECT_THROW(pool.submit({}, [] { Item::make({.n = 1}, ndb::id("x")).put_async({.retries = -1}); }).get(),
               BadArgumentError)
      << "an error that nobody asked for is the request's";
  EXPECT_THROW(pool.submit({},
                           [] {
                             Item::make({.n = 1}, ndb::id("x")).put_async({.retries = -1});
                             throw std::out_of_range("first");
                           })
                   .get(),
               std::out_of_range);
  EXPECT_TRUE(logged("retries")) << "that which no caller can be told";
}

TEST_F(Requests, RunTransactions) {
  WorkerPool pool(client_, {.threads = 2});
  in_new_context(client_, [] { Item::make({.n = 0}, ndb::id("sum")).put(); });
  std::vector<std::future<void>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(pool.submit({}, [] {
      ndb::transaction(
          [] {
            Item item = Item::get_by_id("sum");
            item.edit().n += 1;
            item.put();
          },
          {.retries = 1000});
    }));
  }
  for (std::future<void>& one : all) one.get();
  in_new_context(client_, [] { EXPECT_EQ(Item::get_by_id("sum")->n, 20); });
}

// A Datastore that answers no Lookup before it has `count` of them, and has called `full`.
class GatedStub final : public ForwardingStub {
 public:
  GatedStub(std::unique_ptr<datastore::Stub> next, std::size_t count, std::function<void()> full)
      : ForwardingStub(std::move(next)), count_(count), full_(std::move(full)) {}

  void lookup(wire::LookupRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::LookupResponse> done) override {
    std::vector<std::function<void()>> ready;
    {
      const MutexLock lock(mutex_);
      held_.emplace_back([this, request = std::move(request), options, done = std::move(done)] {
        ForwardingStub::lookup(request, options, done);
      });
      if (held_.size() < count_) return;
      ready.swap(held_);
    }
    full_();
    for (const auto& send : ready) send();
  }

 private:
  const std::size_t count_;
  const std::function<void()> full_;
  Mutex mutex_;
  std::vector<std::function<void()>> held_ NDB_GUARDED_BY(mutex_);
};

TEST_F(Requests, WaitByTheThousandsOnTwoThreads) {
  in_new_context(client_, [] {
    for (int i = 0; i < 10; ++i) Item::make({.n = i}, ndb::id(std::to_string(i))).put();
  });
  ClientOptions without_memcache = options();
  without_memcache.memcached_hosts = std::vector<std::string>{};
  const std::shared_ptr<Client::Core> core = take_core(Client(without_memcache));
  WorkerPoolStats waiting;
  std::optional<WorkerPool> pool;
  core->stub = std::make_unique<GatedStub>(std::move(core->stub), kMany, [&] { waiting = pool->stats(); });
  pool.emplace(detail::ClientAccess::make(core), WorkerPoolOptions{.threads = 2, .max_running = kMany / 2});
  std::vector<std::future<std::int64_t>> all;
  for (int i = 0; i < kMany; ++i) {
    all.push_back(pool->submit({}, [i] { return Item::get_by_id(std::to_string(i % 10))->n; }));
  }
  for (int i = 0; i < kMany; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i % 10);
  EXPECT_EQ(waiting.running, std::uint64_t{kMany}) << "all of them wait at a time";
  EXPECT_EQ(waiting.stacks, std::uint64_t{kMany});
  const WorkerPoolStats stats = pool->stats();
  EXPECT_EQ(stats.accepted, std::uint64_t{kMany});
  EXPECT_EQ(stats.finished, std::uint64_t{kMany});
  EXPECT_EQ(stats.failed, 0u);
}

TEST_F(Requests, BeginInTheOrderInWhichTheyCame) {
  WorkerPool pool(client_, {.threads = 1, .max_running = 1});
  std::atomic<bool> open{false};
  std::vector<int> order, expected;
  pool.submit({}, [&] { park_until(open); }, [](const absl::Status&) {});
  std::vector<std::future<void>> all;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(i);
    all.push_back(pool.submit({}, [&order, i] {
      ndb::sleep(std::chrono::microseconds(100 - i));
      order.push_back(i);
    }));
  }
  open = true;
  for (std::future<void>& one : all) one.get();
  EXPECT_THAT(order, ElementsAreArray(expected));
}

TEST_F(Requests, GoToTheThreadThatHasFewest) {
  WorkerPool pool(client_, {.threads = 3});
  std::atomic<bool> open{false};
  std::vector<std::future<std::thread::id>> all;
  for (int i = 0; i < 30; ++i) {
    all.push_back(pool.submit({}, [&] {
      park_until(open);
      return std::this_thread::get_id();
    }));
  }
  wait_until([&] { return pool.stats().running == 30; });
  open = true;
  std::map<std::thread::id, int> requests;
  for (auto& one : all) ++requests[one.get()];
  ASSERT_EQ(requests.size(), 3u);
  for (const auto& [thread, count] : requests) EXPECT_EQ(count, 10);
}

// Memcache answers a read before the loop goes on, so that this handler can always go on as well.
TEST_F(Requests, KeepNobodyFromTheirThreadByReadsThatAreAnsweredAtOnce) {
  in_new_context(client_, [] { Item::make({.n = 1}, ndb::id("x")).put(); });
  WorkerPool pool(client_, {.threads = 1});
  std::atomic<bool> other{false}, began{false};
  std::future<void> reader = pool.submit({}, [&] {
    while (!other) {
      Item::get_by_id("x", {.use_cache = false});
      began = true;
    }
  });
  wait_until([&] { return began.load(); });
  pool.submit({},
              [&] {
                EXPECT_TRUE(Item::get_by_id("x", {.use_cache = false, .use_memcache = false}));
                ndb::sleep(std::chrono::milliseconds(1));
                other = true;
              })
      .get();
  reader.get();
}

TEST_F(Requests, MayBeSubmittedByManyThreads) {
  WorkerPool pool(client_, {.threads = 3, .max_running = 5, .max_queued = 5000});
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<std::future<void>> all;
      for (int i = 0; i < 500; ++i) {
        all.push_back(pool.submit({}, [&] {
          ndb::sleep(std::chrono::microseconds(1));
          ++sum;
        }));
      }
      for (std::future<void>& one : all) one.get();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 2000);
  EXPECT_LE(pool.stats().stacks, 15u + 3u) << "no more than run at a time, and one that is just ending";
}

TEST_F(Requests, MaySubmitRequests) {
  WorkerPool pool(client_, {.threads = 1});
  std::promise<int> last;
  pool.submit({},
              [&] {
                pool.submit({}, [] { return 7; }, [&](const absl::StatusOr<int>& result) { last.set_value(*result); });
              })
      .get();
  EXPECT_EQ(last.get_future().get(), 7);
}

}  // namespace
}  // namespace ndb::testing
