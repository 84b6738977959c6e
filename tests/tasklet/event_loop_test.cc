#include "tasklet/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ndb/error.h"
#include "ndb/tasklet.h"
#include "tasklet/support.h"

namespace ndb::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class EventLoopTest : public ::testing::Test {
 protected:
  EventLoopTest() { run_all(); }  // a round begins

  EventLoop::Callback note(std::string what) {
    return [this, what = std::move(what)] { seen_.push_back(what); };
  }
  EventLoop& loop_ = EventLoop::current();
  JumpingClock clock_;
  std::vector<std::string> seen_;
};

TEST_F(EventLoopTest, RunsWhatIsReadyThenOneIdleCallbackThenTimersAndTheInboxAndSoOn) {
  loop_.inbox()->post(note("posted"));
  loop_.call_at(clock_.monotonic() - 1ms, note("due later"));
  loop_.call_at(clock_.monotonic() - 2ms, note("due first"));
  loop_.call_at(clock_.monotonic() + 1ms, note("not due"));
  loop_.call_when_idle([this] {
    seen_.push_back("idle 1");
    loop_.call_soon(note("ready again"));
  });
  loop_.call_when_idle(note("idle 2"));
  loop_.call_soon(note("ready 1"));
  loop_.call_soon(note("ready 2"));
  run_all();
  EXPECT_THAT(seen_, ElementsAre("ready 1", "ready 2", "idle 1", "ready again", "due first", "due later", "posted",
                                 "idle 2", "not due"));
}

TEST_F(EventLoopTest, AStepRunsOneCallback) {
  loop_.call_soon(note("a"));
  loop_.call_soon(note("b"));
  EXPECT_TRUE(loop_.run_once());
  EXPECT_THAT(seen_, ElementsAre("a"));
  EXPECT_TRUE(loop_.run_once());
  EXPECT_FALSE(loop_.run_once());
  EXPECT_THAT(seen_, ElementsAre("a", "b"));
}

TEST_F(EventLoopTest, TimersOfOneMomentRunInTheOrderTheyWereSet) {
  const Monotonic when = clock_.monotonic() + 1s;
  for (const char* name : {"a", "b", "c"}) loop_.call_at(when, note(name));
  loop_.call_at(when - 1ns, note("before"));
  run_all();
  EXPECT_THAT(seen_, ElementsAre("before", "a", "b", "c"));
  EXPECT_EQ(clock_.monotonic(), when);
}

// A tasklet that polls must not keep the loop from its inbox.
TEST_F(EventLoopTest, ATimerThatIsAlwaysDueDoesNotStarveTheInbox) {
  bool posted = false;
  loop_.inbox()->post([&] { posted = true; });
  int rounds = 0;
  while (!posted && ++rounds < 100) sleep(0s);
  EXPECT_TRUE(posted);
}

// A tasklet whose batches are answered at once, as memcache answers them.
TEST_F(EventLoopTest, BatchesThatAreAnsweredAtOnceDoNotStarveTheInboxOrTimers) {
  loop_.inbox()->post(note("posted"));
  loop_.call_at(clock_.monotonic(), note("due"));
  int batches = 0;
  while (seen_.size() < 2 && ++batches < 100) {
    Promise<int> answer;
    loop_.call_when_idle([answer] { answer->set(1); });
    answer.future().wait();
  }
  EXPECT_THAT(seen_, ElementsAre("due", "posted"));
}

TEST_F(EventLoopTest, CallbacksThatAreAlwaysReadyDoNotStarveBatchesTimersAndTheInbox) {
  loop_.inbox()->post(note("posted"));
  loop_.call_at(clock_.monotonic(), note("due"));
  loop_.call_when_idle(note("batch"));
  std::size_t rounds = 0;
  std::function<void()> again = [&] {
    if (seen_.size() < 3 && ++rounds < 100 * EventLoop::kLongestRound) loop_.call_soon(again);
  };
  again();
  run_all();
  EXPECT_THAT(seen_, ElementsAre("batch", "due", "posted"));
  EXPECT_LT(rounds, 3 * EventLoop::kLongestRound);
}

TEST_F(EventLoopTest, ThePulseTellsWhatRunsAndWhetherTheLoopWaits) {
  const auto pulse = loop_.pulse();
  const std::uint64_t before = pulse->steps();
  const int request = 0;
  tasklet_locals().request = &request;
  const void* seen = nullptr;
  auto spawned = tasklet([&] {
    tasklet([&] { seen = pulse->request(); }).get();
    EXPECT_EQ(pulse->request(), &request) << "after another one of the same request";
    EXPECT_FALSE(pulse->waiting());
  });
  tasklet_locals().request = nullptr;
  spawned.get();
  EXPECT_EQ(seen, &request);
  EXPECT_EQ(pulse->request(), nullptr);
  EXPECT_GT(pulse->steps(), before);
  Promise<void> other;
  loop_.started();
  std::thread watcher([pulse, other, this, inbox = loop_.inbox()] {
    while (!pulse->waiting()) std::this_thread::yield();
    inbox->post([other, this] {
      loop_.finished();
      other->set(detail::Unit{});
    });
  });
  other.future().wait();
  watcher.join();
  EXPECT_FALSE(pulse->waiting());
}

TEST_F(EventLoopTest, ACallbackMayWaitAndFindsTheRestOfItsBatch) {
  Promise<int> promise;
  loop_.inbox()->post([&] { seen_.push_back(promise.future().get() == 7 ? "waited" : "wrong"); });
  loop_.inbox()->post([&] { promise->set(7); });
  loop_.started();  // the inbox would be waited for, forever, if the second callback were out of reach
  loop_.inbox()->post([&] { loop_.finished(); });
  run_all();
  EXPECT_THAT(seen_, ElementsAre("waited"));
}

TEST_F(EventLoopTest, ACallbackThatThrowsLeavesTheRest) {
  loop_.call_soon([] { throw std::runtime_error("hook"); });
  loop_.call_soon(note("next"));
  EXPECT_THROW(run_all(), std::runtime_error);
  run_all();
  EXPECT_THAT(seen_, ElementsAre("next"));
}

TEST_F(EventLoopTest, RunUntilSaysWhenItIsStuck) {
  int n = 0;
  for (int i = 0; i < 3; ++i) loop_.call_soon([&] { ++n; });
  loop_.run_until([&] { return n == 2; });
  EXPECT_EQ(n, 2);
  EXPECT_THROW(loop_.run_until([&] { return n == 4; }), StuckError);
  EXPECT_EQ(n, 3);
}

TEST_F(EventLoopTest, WaitsForOtherThreadsWhileSomethingIsUnderWay) {
  Promise<std::thread::id> promise;
  loop_.started();
  std::thread other([&, inbox = loop_.inbox()] {
    inbox->post([&] {
      loop_.finished();
      promise->set(std::this_thread::get_id());
    });
  });
  EXPECT_EQ(promise.future().get(), std::this_thread::get_id());
  other.join();
  EXPECT_FALSE(loop_.run_once());
}

TEST_F(EventLoopTest, TakesPostsFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  int arrived = 0;
  loop_.started();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, inbox = loop_.inbox()] {
      for (int i = 0; i < kPosts; ++i) {
        inbox->post([&] {
          if (++arrived == kThreads * kPosts) loop_.finished();
        });
      }
    });
  }
  run_all();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(arrived, kThreads * kPosts);
}

// With the system's clock: nothing but that it ends, and in order.
TEST(EventLoopOnTheSystemClock, Sleeps) {
  EventLoop& loop = EventLoop::current();
  const Monotonic before = loop.now();
  std::vector<int> seen;
  loop.call_at(before + 2ms, [&] { seen.push_back(2); });
  loop.call_at(before + 1ms, [&] { seen.push_back(1); });
  sleep(3ms);
  EXPECT_GE(loop.now(), before + 3ms);
  EXPECT_THAT(seen, ElementsAre(1, 2));
}

}  // namespace
}  // namespace ndb::test
