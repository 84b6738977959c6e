// Waits that can never end: they fail instead of hanging, and leave nothing behind that could touch what was captured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ndb/tasklet.h"
#include "tasklet/event_loop.h"
#include "tasklet/support.h"

namespace ndb::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class StuckTest : public ::testing::Test {
 protected:
  // Waits for `future` in a tasklet, and records the result.
  template <class F>
  auto waiter(std::string name, const F& future) {
    return [this, name = std::move(name), &future] {
      try {
        future.wait();
        seen_.push_back(name + " went on");
      } catch (const StuckError&) {
        seen_.push_back(name + " stuck");
        throw;
      }
    };
  }

  JumpingClock clock_;
  CapturedLog log_;  // joins without get() log their errors
  Promise<int> never_;
  const Future<int> hopeless_ = never_.future();
  std::vector<std::string> seen_;
};

TEST_F(StuckTest, OnTheMainStack) {
  EXPECT_THROW(hopeless_.get(), StuckError);
  EXPECT_EQ(hopeless_.try_get().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THROW(wait_any(std::vector{hopeless_, hopeless_}), StuckError);
  never_->set(7);
  EXPECT_EQ(hopeless_.get(), 7);
}

TEST_F(StuckTest, NotWhileATimerIsPendingOrSomethingIsUnderWay) {
  EventLoop& loop = EventLoop::current();
  loop.call_at(clock_.monotonic() + 24h, [&] { never_->set(7); });
  EXPECT_EQ(hopeless_.get(), 7);

  const Promise<int> answer;
  loop.started();
  std::thread server([&, inbox = loop.inbox()] {
    inbox->post([&] {
      loop.finished();
      answer->set(8);
    });
  });
  EXPECT_EQ(tasklet([&] { return answer.future().get(); }).get(), 8);
  server.join();
}

TEST_F(StuckTest, TheLastTaskletOfAChainGetsTheError) {
  auto c = tasklet(waiter("c", hopeless_));
  auto b = tasklet(waiter("b", c));
  auto a = tasklet(waiter("a", b));
  auto other = tasklet(waiter("other", hopeless_));
  EXPECT_NO_THROW(a.wait());
  EXPECT_THAT(seen_, ElementsAre("c stuck", "b went on", "a went on"));
  EXPECT_THROW(c.get(), StuckError);
  a.get();
  EXPECT_FALSE(other.done()) << "nobody has waited for it";
  never_->set(7);
  other.get();
}

TEST_F(StuckTest, AStuckTaskletThatCatchesTheErrorMayFinishTheOthers) {
  Promise<int> rescued;
  auto rescuer = tasklet([&] {
    EXPECT_THROW(hopeless_.get(), StuckError);
    rescued->set(7);
  });
  const Future<int> future = rescued.future();
  auto waits = tasklet([&] { return future.get(); });
  EXPECT_EQ(future.get(), 7) << "the main stack's own wait has no chain: the one that waited longest is told";
  EXPECT_EQ(waits.get(), 7);
  rescuer.get();
}

TEST_F(StuckTest, InACircle) {
  std::optional<Tasklet<void>> a;
  std::optional<Tasklet<void>> b;
  a.emplace(tasklet([&] { b->get(); }));
  b.emplace(tasklet([&] { a->get(); }));
  EXPECT_THROW(a->get(), StuckError);
  EXPECT_THROW(b->get(), StuckError);
}

TEST_F(StuckTest, OnItself) {
  std::optional<Tasklet<void>> self;
  self.emplace(tasklet([&] { self->get(); }));
  EXPECT_THROW(self->get(), StuckError);
}

// Each unwinds through destructors that join, while `captured` is still there.
TEST_F(StuckTest, DestructorsWaitUntilTheirTaskletsHaveUnwound) {
  std::vector<int> unwound;
  {
    struct Guard {
      std::vector<int>& captured;
      int id;
      ~Guard() { captured.push_back(id); }
    };
    auto outer = tasklet([&] {
      const Guard guard{unwound, 1};
      auto inner = tasklet([&] {
        const Guard inner_guard{unwound, 2};
        hopeless_.get();
      });
      const Guard after{unwound, 3};
      hopeless_.get();
    });
  }
  EXPECT_THAT(unwound, ElementsAre(3, 2, 1));
}

TEST_F(StuckTest, TheMainStacksErrorUnwindsThroughJoins) {
  int unwound = 0;
  EXPECT_THROW(
      {
        std::vector<Tasklet<void>> tasklets;
        for (int i = 0; i < 3; ++i) {
          tasklets.push_back(tasklet([&] {
            try {
              hopeless_.get();
            } catch (const StuckError&) {
              ++unwound;
              throw;
            }
          }));
        }
        wait_any(std::vector{hopeless_});
      },
      StuckError);
  EXPECT_EQ(unwound, 3);
}

// A wait within a step (in a hook) fails by itself; a tasklet that the rest of the step serves is not interrupted.
TEST_F(StuckTest, AStepThatWaitsFailsItself) {
  const Promise<int> item;
  auto waits = tasklet([&] { return item.future().get(); });
  sleep(0s);
  EventLoop::current().call_when_idle([&] {
    EXPECT_THROW(hopeless_.get(), StuckError);
    item->set(7);
  });
  EXPECT_EQ(waits.get(), 7);
}

// As when a transaction, which is not a tasklet, waits for the tasklets that work in it.
TEST_F(StuckTest, AJoinOutsideOfAChainInterruptsTheLongestWaiter) {
  Promise<void> released;
  auto worker = tasklet([&] {
    EXPECT_THROW(hopeless_.get(), StuckError);
    released->set(detail::Unit());
  });
  tasklet([&] { released.future().state()->join(); }).get();
  worker.get();
}

// Whatever the graph of waits: it ends, and every function has returned when the destructors have.
TEST_F(StuckTest, AnyGraphOfWaitsEnds) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  using Core = std::shared_ptr<detail::FutureCore>;
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = 1 + pick(12);
    std::vector<Core> cores;
    std::size_t inside = 0;
    std::size_t stuck = 0;
    const auto any = [&] { return pick(4) == 0 ? Core(hopeless_.state()) : cores[pick(cores.size())]; };
    const auto act = [&] {
      switch (pick(5)) {
        case 0:
          return sleep(std::chrono::seconds(pick(3)));
        case 1:
          return void(wait_any({any(), any()}));
        case 2: {
          const auto child = tasklet([future = any()] { future->wait(); });
          return any()->wait();
        }
        default:
          return any()->wait();
      }
    };
    const auto body = [&] {
      ++inside;
      for (std::size_t acts = pick(4); acts > 0; --acts) {
        try {
          act();
        } catch (const StuckError&) {
          ++stuck;
        }
      }
      --inside;
    };
    {
      std::vector<Tasklet<void>> tasklets;
      for (std::size_t i = 0; i < count; ++i) cores.push_back(tasklets.emplace_back(tasklet(body)).state());
      if (pick(2) == 0) wait_all(tasklets);
    }
    ASSERT_EQ(inside, 0u) << "round " << round;
    for (const Core& core : cores) ASSERT_TRUE(core->done()) << "round " << round;
  }
}

TEST_F(StuckTest, JoiningATaskletThatOwnsItselfIsFatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        set_log_sink(nullptr);
        std::optional<Tasklet<void>> self;
        self.emplace(tasklet([&] { const auto mine = std::move(*self); }));
        const auto state = self->state();
        state->join();
      },
      "can't return");
}

TEST_F(StuckTest, ATaskletMayNotDriveTheLoop) {
  tasklet([] { EXPECT_THROW(EventLoop::current().drain(), BadRequestError); }).get();
}

// A future that another thread's loop finishes is never finished by this one's.
TEST_F(StuckTest, AFutureOfAnotherThreadIsNamed) {
  const auto refused = [&](auto wait) {
    try {
      wait();
    } catch (const BadRequestError& error) {
      return std::string(error.what()).find("belongs to the thread that made it") != std::string::npos;
    }
    return false;
  };
  std::thread([&] {
    EXPECT_TRUE(refused([&] { hopeless_.get(); }));
    EXPECT_TRUE(refused([&] { hopeless_.wait(); }));
    EXPECT_TRUE(refused([&] { wait_any(std::vector{hopeless_}); }));
    EXPECT_TRUE(refused([&] { tasklet([&] { hopeless_.get(); }).get(); }));
  }).join();
  never_->set(1);
  EXPECT_EQ(hopeless_.get(), 1);
}

}  // namespace
}  // namespace ndb::test
