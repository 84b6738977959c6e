#include "ndb/tasklet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tasklet/event_loop.h"
#include "tasklet/fiber.h"
#include "tasklet/support.h"

namespace ndb::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TaskletTest : public ::testing::Test {
 protected:
  JumpingClock clock_;
};

TEST_F(TaskletTest, StartsAtTheNextTurnAndNotInTheCallersStack) {
  std::vector<std::string> seen;
  auto a = tasklet([&] { seen.push_back("a"); });
  auto b = tasklet([&] { seen.push_back("b"); });
  seen.push_back("caller");
  EXPECT_FALSE(a.done());
  wait_all(a, b);
  EXPECT_THAT(seen, ElementsAre("caller", "a", "b"));
}

// This turns 100 gets into one batch.
TEST_F(TaskletTest, TheRequestsOfNeighboursAreThereWhenTheLoopIsIdle) {
  std::vector<Promise<int>> batch;
  std::vector<std::size_t> sizes;
  const auto get = [&](int n) {
    if (batch.empty()) {
      EventLoop::current().call_when_idle([&] {
        sizes.push_back(batch.size());
        for (const auto& promise : std::exchange(batch, {})) promise->set(1);
      });
    }
    return batch.emplace_back().future().get() + n;
  };
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::vector<int> results = map(numbers, [&](int n) { return get(n) + get(n); });
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], 2 + 2 * numbers[i]);
  EXPECT_THAT(sizes, ElementsAre(100, 100));
}

TEST_F(TaskletTest, GivesResultsOfAnyKind) {
  auto number = tasklet([] { return 7; });
  EXPECT_EQ(number.get(), 7);
  EXPECT_EQ(&number.get(), &number.get()) << "no copy";
  EXPECT_EQ(*number.try_get(), 7);
  EXPECT_EQ(*tasklet([] { return std::make_unique<int>(8); }).get(), 8);
  auto nothing = tasklet([] {});
  nothing.get();
  EXPECT_EQ(nothing.try_get(), absl::OkStatus());
  EXPECT_EQ(tasklet([] { return absl::NotFoundError("as a value"); }).get(), absl::NotFoundError("as a value"));
  const std::string text = "by reference";
  EXPECT_EQ(tasklet([&]() -> const std::string& { return text; }).get(), text);
}

TEST_F(TaskletTest, CarriesExceptions) {
  auto foreign = tasklet([]() -> int { throw std::out_of_range("index 7"); });
  EXPECT_THROW(foreign.get(), std::out_of_range);
  EXPECT_THROW(foreign.get(), std::out_of_range);
  EXPECT_EQ(foreign.try_get().status(), absl::UnknownError("index 7"));
  auto ours = tasklet([] { throw BadValueError("Account.age"); });
  EXPECT_EQ(ours.try_get().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THROW(ours.get(), BadValueError);
}

TEST_F(TaskletTest, TheDestructorJoinsAndLogsAnUnobservedError) {
  CapturedLog log;
  bool ended = false;
  {
    const auto failing = tasklet([&] {
      sleep(1s);
      ended = true;
      throw std::runtime_error("disk full");
    });
    const auto seen = tasklet([] { throw std::runtime_error("seen"); });
    EXPECT_FALSE(seen.try_get().ok());
    const auto rolled_back = tasklet([] { throw Rollback("on purpose"); });
  }
  EXPECT_TRUE(ended);
  EXPECT_THAT(log.lines(), ElementsAre(HasSubstr("disk full")));
}

TEST_F(TaskletTest, AssigningJoinsTheFormer) {
  std::vector<int> ended;
  auto t = tasklet([&] { ended.push_back(1); });
  t = tasklet([&] {
    sleep(1s);
    ended.push_back(2);
  });
  EXPECT_THAT(ended, ElementsAre(1));
  auto moved = std::move(t);
  moved.get();
  EXPECT_THAT(ended, ElementsAre(1, 2));
}

TEST_F(TaskletTest, CapturesAreDestroyedBeforeATaskletIsDone) {
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = captured;
  auto returns = tasklet([captured] { return *captured; });
  auto throws = tasklet([captured] { throw *captured; });
  auto cancelled = tasklet([captured = std::move(captured)] { return *captured; });
  EXPECT_TRUE(cancelled.cancel());
  wait_all(returns, throws);
  EXPECT_TRUE(watch.expired());
  EXPECT_THROW(throws.get(), int);
}

TEST_F(TaskletTest, CancelIsForWhatHasNotStarted) {
  bool called = false;
  auto early = tasklet([&] { called = true; });
  auto waits_for_it = tasklet([&] { EXPECT_THROW(early.get(), Cancelled); });
  EXPECT_TRUE(early.cancel());
  EXPECT_TRUE(early.done());
  EXPECT_FALSE(early.cancel());
  EXPECT_THROW(early.get(), Cancelled);
  waits_for_it.get();
  EXPECT_FALSE(called);

  auto late = tasklet([] {
    sleep(1s);
    return 7;
  });
  sleep(0s);
  EXPECT_FALSE(late.cancel());
  EXPECT_EQ(late.get(), 7);
  EXPECT_FALSE(late.cancel());
}

TEST_F(TaskletTest, Nest) {
  // The sum of the leaves of a tree in which each node is a tasklet that waits for two others.
  struct Tree {
    static int sum(int depth) {
      if (depth == 0) {
        sleep(1ms);
        return 1;
      }
      auto left = tasklet([=] { return sum(depth - 1); });
      auto right = tasklet([=] { return sum(depth - 1); });
      return left.get() + right.get();
    }
  };
  EXPECT_EQ(tasklet([] { return Tree::sum(6); }).get(), 64);
}

// In a thread of its own, whose pool is empty at first.
TEST(TaskletStacks, AreUsedAgain) {
  std::thread([] {
    const JumpingClock clock;
    int sum = 0;
    const auto run = [&](int count, auto function) {
      std::vector<Tasklet<void>> tasklets;
      for (int i = 0; i < count; ++i) tasklets.push_back(tasklet(function));
      wait_all(tasklets);
    };
    run(10'000, [&] { ++sum; });
    EXPECT_EQ(EventLoop::current().fibers().stacks(), 1u);
    for (int round = 0; round < 20; ++round) {
      run(100, [&] {
        sleep(1s);
        ++sum;
      });
    }
    EXPECT_EQ(EventLoop::current().fibers().stacks(), 100u);
    EXPECT_EQ(sum, 12'000);
  }).join();
}

TEST(TaskletStacks, AreTrimmedToWhatWasInUseSinceTheLastTime) {
  std::thread([] {
    const JumpingClock clock;
    detail::Fibers& fibers = EventLoop::current().fibers();
    const auto run = [&](int count) {
      std::vector<Tasklet<void>> tasklets;
      for (int i = 0; i < count; ++i) tasklets.push_back(tasklet([] { sleep(1s); }));
      wait_all(tasklets);
    };
    run(100);
    fibers.trim();
    EXPECT_EQ(fibers.stacks(), 100u) << "they were in use at a time";
    run(30);
    const Tasklet<void> still = tasklet([] { sleep(1s); });
    sleep(0s);
    fibers.trim();
    EXPECT_EQ(fibers.stacks(), 30u);
    fibers.trim();
    EXPECT_EQ(fibers.stacks(), 1u) << "that which waits";
    still.wait();
    run(10);
    EXPECT_EQ(fibers.stacks(), 10u);
    fibers.trim();
    fibers.trim();
    EXPECT_EQ(fibers.stacks(), 0u);
  }).join();
}

TEST_F(TaskletTest, ManyAtOnceGiveTheirStacksBack) {
#if defined(NDB_TSAN)
  constexpr int kMany = kMapWidth + 200;  // it needs over half a megabyte for each fiber
#else
  constexpr int kMany = 10'000;
#endif
  std::vector<Tasklet<int>> tasklets;
  for (int i = 0; i < kMany; ++i) {
    tasklets.push_back(tasklet([i] {
      sleep(1s);
      return i;
    }));
  }
  for (int i = 0; i < kMany; ++i) ASSERT_EQ(tasklets[static_cast<std::size_t>(i)].get(), i);
  EXPECT_LE(EventLoop::current().fibers().stacks(), kMapWidth + 1);
}

struct Deep {
  static int down(int n) {
    volatile char frame[4096];
    frame[0] = static_cast<char>(n);
    return n == 0 ? 0 : down(n - 1) + frame[0];
  }
};
void overrun() {
  static_cast<void>(tasklet([] { return Deep::down(1'000'000); }).get());
}

TEST_F(TaskletTest, OverrunningAStackEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  if (detail::under_sanitizer()) {
    EXPECT_DEATH(overrun(), "");  // the sanitizer says what it sees
    return;
  }
  EXPECT_EXIT(overrun(), ::testing::KilledBySignal(SIGSEGV), "a tasklet has overrun its stack of [0-9]+ KiB");
  EXPECT_EXIT(std::thread(overrun).join(), ::testing::KilledBySignal(SIGSEGV), "overrun its stack");
}

// Other faults are not handled here: the previous handler still gets them.
TEST_F(TaskletTest, OtherFaultsGoWhereTheyWent) {
  if (detail::under_sanitizer()) GTEST_SKIP() << "sanitizers have handlers of their own";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto fault = [] {
    tasklet([] {}).get();
    volatile int* nowhere = nullptr;
    *nowhere = 1;  // NOLINT(clang-analyzer-core.NullDereference): that is the test
  };
  const auto install = [](void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaction(SIGSEGV, &action, nullptr);
  };
  const auto handle = [](int) {
    [[maybe_unused]] const auto written = write(STDERR_FILENO, "mine", 4);
    _exit(7);
  };
  EXPECT_EXIT(fault(), ::testing::KilledBySignal(SIGSEGV), "^$");
  EXPECT_EXIT((install(handle), fault()), ::testing::ExitedWithCode(7), "^mine$");
  EXPECT_EXIT((install(handle), overrun()), ::testing::ExitedWithCode(7), "overrun its stack.*\nmine$");
  EXPECT_EXIT((tasklet([] {}).get(), raise(SIGSEGV)), ::testing::KilledBySignal(SIGSEGV), "^$");
}

// --- waiting for several
// -----------------------------------------------------------------------------------------------

TEST_F(TaskletTest, WaitAnyGivesTheFirstThatIsDone) {
  const auto check = [] {
    std::vector<Tasklet<int>> sleepers;
    for (const auto duration : {3s, 1s, 2s}) {
      sleepers.push_back(tasklet([=] {
        sleep(duration);
        return 0;
      }));
    }
    EXPECT_EQ(wait_any(sleepers), 1u);
    EXPECT_EQ(wait_any(sleepers), 1u) << "it still is";
    EXPECT_FALSE(sleepers[2].done());
    wait_all(sleepers);
    EXPECT_EQ(wait_any(sleepers), 0u);
    EXPECT_THROW(wait_any(std::vector<Future<int>>{}), BadArgumentError);
  };
  check();
  tasklet(check).get();
}

TEST_F(TaskletTest, WaitAnyWokenTwiceGoesOnOnce) {
  Promise<int> a;
  Promise<int> b;
  int woken = 0;
  auto waiter = tasklet([&] {
    wait_any(std::vector{a.future(), b.future()});
    ++woken;
    sleep(1s);  // a second resume() would cut this short
    return clock_.monotonic();
  });
  sleep(0s);
  const Monotonic start = clock_.monotonic();
  a->set(1);
  b->set(2);
  EXPECT_EQ(waiter.get(), start + 1s);
  EXPECT_EQ(woken, 1);
}

TEST_F(TaskletTest, ManyWaitForOneInTheOrderTheyCame) {
  Promise<int> promise;
  std::vector<int> woken;
  promise.future().state()->on_done([&] { woken.push_back(-1); });
  std::vector<Tasklet<void>> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.push_back(tasklet([&, i] {
      promise.future().wait();
      woken.push_back(i);
    }));
  }
  sleep(0s);
  promise->set(7);
  EXPECT_TRUE(woken.empty()) << "nobody goes on inside set()";
  wait_all(waiters);
  run_all();
  EXPECT_THAT(woken, ElementsAre(0, 1, 2, -1));
  promise.future().state()->on_done([&] { woken.push_back(-2); });
  EXPECT_EQ(woken.size(), 4u);
  run_all();
  EXPECT_EQ(woken.back(), -2);
}

// --- map
// ---------------------------------------------------------------------------------------------------------------

TEST_F(TaskletTest, MapKeepsTheOrder) {
  const std::vector<int> seconds = {3, 1, 2};
  std::vector<int> ended;
  EXPECT_THAT(map(seconds,
                  [&](int n) {
                    sleep(std::chrono::seconds(n));
                    ended.push_back(n);
                    return std::to_string(n);
                  }),
              ElementsAre("3", "1", "2"));
  EXPECT_THAT(ended, ElementsAre(1, 2, 3));
  EXPECT_TRUE(map(std::vector<int>(), [](int n) { return n; }).empty());
  EXPECT_THAT(map(seconds, [](int n) { return n > 1; }), ElementsAre(true, false, true));
}

TEST_F(TaskletTest, MapRethrowsTheErrorOfTheFirstElementAfterAllHaveEnded) {
  std::vector<int> elements = {1, 2, 3, 4};
  int ended = 0;
  try {
    map(elements, [&](int& n) {
      sleep(std::chrono::seconds(10 - n));
      ++ended;
      n = -n;
      if (ended % 2 == 0) throw std::runtime_error(std::to_string(n));
    });
    ADD_FAILURE() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "-1") << "3 failed earlier, but comes later";
  }
  EXPECT_EQ(ended, 4);
  EXPECT_THAT(elements, ElementsAre(-1, -2, -3, -4));
}

TEST_F(TaskletTest, MapRunsABoundedNumberAtATime) {
  std::vector<int> elements(kMapWidth + 500);
  std::size_t running = 0;
  std::size_t most = 0;
  map(elements, [&](int& n) {
    most = std::max(most, ++running);
    sleep(1s);
    --running;
    n = 1;
  });
  EXPECT_EQ(most, kMapWidth);
  EXPECT_EQ(std::accumulate(elements.begin(), elements.end(), 0), static_cast<int>(elements.size()));
}

// --- what belongs to a stack
// -------------------------------------------------------------------------------------------

// A tasklet inherits, keeps its own across switches, and lets go at its end.
TEST_F(TaskletTest, LocalsAreInheritedAndRestored) {
  const auto use = [](const std::shared_ptr<Context>& context) { tasklet_locals().context = context; };
  const auto now = [] { return tasklet_locals().context.get(); };
  // The loop only stores the context and never uses it.
  const auto make_context = [](int n) {
    const auto place = std::make_shared<int>(n);
    return std::shared_ptr<Context>(place, reinterpret_cast<Context*>(place.get()));
  };
  const auto outer = make_context(1);
  const auto inner = make_context(2);
  use(outer);
  auto changes = tasklet([&] {
    EXPECT_EQ(now(), outer.get());
    use(inner);
    auto child = tasklet([&] { EXPECT_EQ(now(), inner.get()); });
    sleep(1s);
    EXPECT_EQ(now(), inner.get());
    child.get();
  });
  auto keeps = tasklet([&] {
    sleep(1s);
    EXPECT_EQ(now(), outer.get());
  });
  use(nullptr);
  auto has_none = tasklet([&] { EXPECT_EQ(now(), nullptr); });
  wait_all(changes, keeps, has_none);
  EXPECT_EQ(now(), nullptr);
  sleep(0s);
  EXPECT_EQ(outer.use_count(), 1);
  EXPECT_EQ(inner.use_count(), 1);
}

// Fibers that wait inside `catch`, while others handle exceptions.
TEST_F(TaskletTest, RethrowGivesTheExceptionOfItsOwnFiber) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto nap = [&] { sleep(std::chrono::seconds(std::uniform_int_distribution(0, 5)(random))); };
  const auto fail = [&](int n) {
    for (int depth = 0; depth < 3; ++depth) {
      try {
        try {
          nap();
          throw std::runtime_error(std::to_string(n));
        } catch (const std::exception&) {
          nap();
          try {
            throw n;
          } catch (int inner) {
            nap();
            EXPECT_EQ(inner, n);
          }
          nap();
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          throw;
        }
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), std::to_string(n));
        nap();
      }
      EXPECT_EQ(std::current_exception(), nullptr);
    }
    throw std::runtime_error(std::to_string(n));
  };
  std::vector<Tasklet<void>> tasklets;
  for (int n = 0; n < 50; ++n) tasklets.push_back(tasklet([&, n] { fail(n); }));
  try {
    throw std::runtime_error("of the main stack");
  } catch (const std::exception&) {
    wait_all(tasklets);
    try {
      throw;
    } catch (const std::exception& error) {
      EXPECT_STREQ(error.what(), "of the main stack");
    }
  }
  for (int n = 0; n < 50; ++n) {
    EXPECT_EQ(tasklets[static_cast<std::size_t>(n)].try_get(), absl::UnknownError(std::to_string(n)));
  }
}

// Fibers that wait in destructors that run during the unwinding of an exception.
TEST_F(TaskletTest, UnwindingGoesOnWhereItWas) {
  struct Guard {
    int seconds;
    ~Guard() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      sleep(std::chrono::seconds(seconds));
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      auto child = tasklet([] { EXPECT_EQ(std::uncaught_exceptions(), 0); });
      child.wait();
    }
  };
  const std::vector<int> seconds = {3, 1, 2, 1};
  const std::vector<std::string> caught = map(seconds, [](int n) -> std::string {
    try {
      const Guard first{n};
      const Guard second{4 - n};
      throw std::runtime_error(std::to_string(n));
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      return error.what();
    }
  });
  EXPECT_THAT(caught, ElementsAre("3", "1", "2", "1"));
}

}  // namespace
}  // namespace ndb::test
