// What bounds a pool, how it stops, and what bad use gets.
#include <sys/wait.h>

#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "support/fake_clock.h"
#include "worker_pool/pool_fixture.h"

namespace ndb::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PoolBounds : public WorkerPoolTest {
 protected:
  // The code that a request ends with.
  template <class T>
  static absl::StatusCode code_of(std::future<T> future) {
    try {
      future.get();
      return absl::StatusCode::kOk;
    } catch (const Error& error) {
      return error.status().code();
    }
  }
  // A client whose clock a test moves.
  Client clocked(const Clock& clock) {
    const std::shared_ptr<Client::Core> core = take_core(client());
    core->clock = &clock;
    return detail::ClientAccess::make(core);
  }
};

TEST_F(PoolBounds, OptionsOutOfRangeAreErrors) {
  EXPECT_THROW(WorkerPool(client_, {.threads = 0}), BadArgumentError);
  EXPECT_THROW(WorkerPool(client_, {.threads = 257}), BadArgumentError);
  EXPECT_THROW(WorkerPool(client_, {.max_running = 0}), BadArgumentError);
  EXPECT_THROW(WorkerPool(client_, {.threads = 4, .max_running = 7501}), BadArgumentError);
  EXPECT_THROW(WorkerPool(client_, {.max_running = SIZE_MAX}), BadArgumentError);
  EXPECT_THROW(WorkerPool(client_, {.stall_warning = -1ms}), BadArgumentError);
  EXPECT_NO_THROW(WorkerPool(client_, {.threads = 4, .max_running = 7500, .max_queued = 0, .stall_warning = 0ms}));
}

TEST_F(PoolBounds, AFullPoolRefusesAndGoesOn) {
  WorkerPool pool(client_, {.threads = 2, .max_running = 2, .max_queued = 3});
  std::atomic<bool> open{false};
  std::vector<std::future<void>> all;
  for (int i = 0; i < 7; ++i) all.push_back(pool.submit({}, [&] { park_until(open); }));
  std::optional<absl::Status> refused;
  pool.submit(
      {}, [] { ADD_FAILURE() << "it ran"; }, [&](absl::Status status) { refused = std::move(status); }, "eighth");
  ASSERT_TRUE(refused) << "on this thread, at once";
  EXPECT_EQ(refused->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused->message()), AllOf(HasSubstr("\"eighth\""), HasSubstr("max_queued")));
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kResourceExhausted);
  wait_until([&] { return pool.stats().running == 4; });
  EXPECT_EQ(pool.stats().queued, 3u);
  EXPECT_EQ(pool.stats().refused, 2u);
  EXPECT_EQ(pool.stats().accepted, 7u);
  open = true;
  for (std::future<void>& one : all) one.get();
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kOk) << "there is room again";
}

TEST_F(PoolBounds, StacksAreFreedWhenTheyAreNotUsed) {
  FakeClock clock;
  WorkerPool pool(clocked(clock), {.threads = 2});
  std::atomic<bool> open{false};
  std::vector<std::future<void>> all;
  for (int i = 0; i < 50; ++i) all.push_back(pool.submit({}, [&] { park_until(open); }));
  wait_until([&] { return pool.stats().stacks == 50; });
  open = true;
  for (std::future<void>& one : all) one.get();
  worker_pool::Pool& inside = detail::WorkerPoolAccess::pool(pool);
  wait_until([&] {
    clock.advance(1s);
    inside.look();
    return pool.stats().stacks == 0;
  });
  EXPECT_EQ(inside.look(), std::nullopt) << "the watch rests";
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kOk);
}

// ---- Deadlines and tokens ----

TEST_F(PoolBounds, TheTimeInTheQueueCountsForTheDeadline) {
  FakeClock clock;
  WorkerPool pool(clocked(clock), {.threads = 1, .max_running = 1});
  std::atomic<bool> open{false};
  std::future<void> running = pool.submit({}, [&] { park_until(open); });
  wait_until([&] { return pool.stats().running == 1; });
  std::future<void> queued = pool.submit({.deadline = 1s}, [] { ADD_FAILURE() << "it ran"; }, "late");
  std::future<void> patient = pool.submit({.deadline = 2h}, [] {});
  worker_pool::Pool& inside = detail::WorkerPoolAccess::pool(pool);
  clock.advance(999ms);
  inside.look();
  EXPECT_EQ(queued.wait_for(0s), std::future_status::timeout);
  clock.advance(1ms);
  inside.look();
  EXPECT_EQ(code_of(std::move(queued)), absl::StatusCode::kDeadlineExceeded) << "while the other one still runs";
  EXPECT_EQ(pool.stats().queued, 1u);
  open = true;
  EXPECT_EQ(code_of(std::move(running)), absl::StatusCode::kOk);
  EXPECT_EQ(code_of(std::move(patient)), absl::StatusCode::kOk);
  EXPECT_EQ(code_of(pool.submit({.deadline = 0s}, [] {})), absl::StatusCode::kInvalidArgument);
}

TEST_F(PoolBounds, AStopTokenEndsARequestWhetherItRunsOrWaits) {
  WorkerPool pool(client_, {.threads = 1, .max_running = 1});
  const std::atomic<bool> never{false};
  std::stop_source stop, stop_queued;
  std::future<void> running = pool.submit({.stop = stop.get_token()}, [&] { park_until(never); });
  wait_until([&] { return pool.stats().running == 1; });
  std::future<void> queued = pool.submit({.stop = stop_queued.get_token()}, [] { ADD_FAILURE() << "it ran"; });
  stop_queued.request_stop();
  detail::WorkerPoolAccess::pool(pool).look();
  EXPECT_EQ(code_of(std::move(queued)), absl::StatusCode::kCancelled);
  stop.request_stop();
  EXPECT_EQ(code_of(std::move(running)), absl::StatusCode::kCancelled);
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kOk);
}

// ---- The end ----

TEST_F(PoolBounds, StopLetsAllThatItHasEnd) {
  WorkerPool pool(client_, {.threads = 1, .max_running = 1});
  std::atomic<bool> open{false};
  std::vector<std::future<void>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.submit({}, [&] { park_until(open); }));
  std::future<void> stopped = std::async(std::launch::async, [&] { EXPECT_TRUE(pool.stop(1h)); });
  std::optional<absl::Status> refused;
  wait_until([&] {
    pool.submit({}, [] {}, [&](absl::Status status) { refused = std::move(status); }, "late");
    return refused && absl::IsUnavailable(*refused);
  });
  EXPECT_THAT(std::string(refused->message()), AllOf(HasSubstr("\"late\""), HasSubstr("stopped")));
  open = true;
  stopped.get();
  for (std::future<void>& one : all) {
    EXPECT_EQ(one.wait_for(0s), std::future_status::ready) << "handed over before stop() returned";
    one.get();
  }
  EXPECT_TRUE(pool.stop(0s)) << "again";
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kUnavailable);
}

TEST_F(PoolBounds, StopWithoutTimeFailsWhatHasNotBegunAndCancelsTheRest) {
  WorkerPool pool(client_, {.threads = 1, .max_running = 1});
  std::atomic<bool> open{false};
  std::future<void> running = pool.submit({}, [&] { park_until(open); });
  wait_until([&] { return pool.stats().running == 1; });
  auto captured = std::make_shared<int>(0);
  std::future<void> queued = pool.submit({}, [captured] {}, "queued");
  EXPECT_FALSE(pool.stop(0s));
  EXPECT_EQ(captured.use_count(), 1) << "what the handler captured is gone";
  EXPECT_EQ(code_of(std::move(queued)), absl::StatusCode::kCancelled);
  EXPECT_EQ(code_of(std::move(running)), absl::StatusCode::kCancelled) << "what it waited for has ended";
  EXPECT_TRUE(pool.stop(1h));
}

TEST_F(PoolBounds, APoolWithoutRequestsStops) {
  WorkerPool pool(client_);
  EXPECT_TRUE(pool.stop(0s));
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kUnavailable);
}

TEST_F(PoolBounds, TheDestructorWaits) {
  std::future<int> future;
  std::atomic<bool> began{false};
  {
    WorkerPool pool(client_, {.threads = 1});
    future = pool.submit({}, [&] {
      began = true;
      std::this_thread::yield();
      return 7;
    });
    wait_until([&] { return began.load(); });
  }
  EXPECT_EQ(future.wait_for(0s), std::future_status::ready);
  EXPECT_EQ(future.get(), 7);
}

// ---- Bad use ----

TEST_F(PoolBounds, ACallbackThatThrowsIsNamedInTheLog) {
  WorkerPool pool(client_, {.threads = 1});
  pool.submit({}, [] {}, [](const absl::Status&) { throw std::runtime_error("oops"); }, "checkout");
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kOk) << "the pool goes on";
  ASSERT_TRUE(pool.stop(1h));
  pool.submit({}, [] {}, [](const absl::Status&) { throw 7; });
  ASSERT_THAT(lines(), SizeIs(2));
  EXPECT_THAT(lines()[0], AllOf(HasSubstr("\"checkout\""), HasSubstr("oops")));
}

TEST_F(PoolBounds, StopInsideIsAnError) {
  WorkerPool pool(client_, {.threads = 1});
  EXPECT_THROW(pool.submit({}, [&] { pool.stop(0s); }).get(), BadRequestError);
  EXPECT_EQ(code_of(pool.submit({}, [] {})), absl::StatusCode::kOk);
}

TEST_F(PoolBounds, APoolMayBeDestroyedByItsOwnRequest) {
  for (const bool in_callback : {false, true}) {
    std::unique_ptr<WorkerPool> pool;
    std::promise<void> destroyed;
    std::atomic<bool> given{false};
    const auto destroy = [&] {
      pool = nullptr;
      destroyed.set_value();
    };
    // The client lives until the pool has ended, on a thread of its own.
    const std::weak_ptr<Client::Core> core = [&] {
      const Client own = client();
      pool = std::make_unique<WorkerPool>(own, WorkerPoolOptions{.threads = 1});
      return std::weak_ptr<Client::Core>(core_of(own));
    }();
    pool->submit(
        {},
        [&, in_callback] {
          park_until(given);
          if (!in_callback) destroy();
        },
        // A copy: where the function destroys the pool, the test may have gone on when the callback runs.
        [&, in_callback](const absl::Status&) {
          if (in_callback) destroy();
        });
    given = true;
    destroyed.get_future().get();
    wait_until([&] { return core.expired(); });
  }
}

class Stalls : public PoolBounds {
 protected:
  void look_after(std::chrono::milliseconds passed) {
    clock_.advance(passed);
    inside_.look();
  }
  FakeClock clock_;
  WorkerPool pool_{clocked(clock_), {.threads = 2}};
  worker_pool::Pool& inside_ = detail::WorkerPoolAccess::pool(pool_);
};

TEST_F(Stalls, AHandlerThatBlocksItsThreadIsNamedInTheLog) {
  std::latch blocks(1), release(1);
  std::future<void> blocked = pool_.submit(
      {},
      [&] {
        ndb::sleep(std::chrono::microseconds(1));  // begun, parked, and back again
        blocks.count_down();
        release.wait();
      },
      "checkout");
  blocks.wait();
  look_after(0ms);
  look_after(99ms);
  EXPECT_THAT(lines(), IsEmpty());
  look_after(1ms);
  wait_until([&] { return logged("\"checkout\""); });
  look_after(800ms);
  EXPECT_THAT(lines(), SizeIs(1)) << "not again and again";
  look_after(100ms);
  wait_until([&] { return lines().size() == 2; });
  EXPECT_EQ(pool_.stats().stalls, 1u);
  // All that comes goes to the other thread meanwhile.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(code_of(pool_.submit({}, [] {})), absl::StatusCode::kOk);
  release.count_down();
  blocked.get();
  // One that waits, for however long, holds nobody up.
  std::atomic<bool> open{false};
  std::future<void> waits = pool_.submit({}, [&] { park_until(open); }, "patient");
  for (int i = 0; i < 5; ++i) look_after(0ms);
  open = true;
  waits.get();
  EXPECT_FALSE(logged("patient"));
}

// Two requests that were on their way to the thread before it was known to be held up.
TEST_F(Stalls, RequestsThatHaveNotBegunGoToOtherThreads) {
  std::latch both(2), release(1), other(1);
  const auto block = [&] {
    both.count_down();
    release.wait();
  };
  std::future<void> one = pool_.submit({}, block, "one");
  std::future<void> two = pool_.submit({}, [&] {
    both.count_down();
    other.wait();
  });
  both.wait();
  std::vector<std::future<void>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool_.submit({}, [] {}));
  EXPECT_EQ(pool_.stats().queued, 10u);
  other.count_down();
  two.get();
  wait_until([&] { return pool_.stats().queued <= 5; });
  wait_until([&] {
    look_after(100ms);
    return pool_.stats().queued == 0;
  });
  for (std::future<void>& each : all) each.get();
  EXPECT_EQ(one.wait_for(0s), std::future_status::timeout);
  release.count_down();
  one.get();
}

}  // namespace
}  // namespace ndb::testing
