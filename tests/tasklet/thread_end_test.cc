// Threads that end while work is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
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

void in_thread(const std::function<void()>& body) { std::thread(body).join(); }

// Records when it is destroyed, and whether it was called.
struct Token {
  std::vector<std::string>* seen;
  std::string name;
  Token(std::vector<std::string>* s, std::string n) : seen(s), name(std::move(n)) {}
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  ~Token() { seen->push_back(name + " destroyed"); }
};

TEST(ThreadEnd, CallbacksThatAreLeftAreDestroyedUnrun) {
  std::vector<std::string> seen;
  std::shared_ptr<Inbox> inbox;
  in_thread([&] {
    EventLoop& loop = EventLoop::current();
    inbox = loop.inbox();
    const auto callback = [&](const char* name) {
      return [&seen, token = std::make_shared<Token>(&seen, name)] { seen.push_back("called"); };
    };
    loop.call_soon(callback("ready"));
    loop.call_when_idle(callback("idle"));
    loop.call_at(loop.now() + 1h, callback("timer"));
    loop.started();
    inbox->post(callback("posted"));
  });
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("ready destroyed", "idle destroyed", "timer destroyed",
                                                    "posted destroyed"));
  seen.clear();
  inbox->post([token = std::make_shared<Token>(&seen, "late")] { token->seen->push_back("called"); });
  EXPECT_THAT(seen, ElementsAre("late destroyed"));
}

// Tasklets outlive the loop only if somebody keeps them beyond the thread's function.
TEST(ThreadEnd, TaskletsThatAreLeftUnwind) {
  CapturedLog log;
  std::vector<std::string> seen;
  std::vector<Tasklet<void>> kept;
  in_thread([&] {
    kept.push_back(tasklet([&] {
      const Token token(&seen, "sleeper");
      sleep(1h);
    }));
    kept.push_back(tasklet([&] {
      const Token token(&seen, "parent");
      auto child = tasklet([&] {
        const Token child_token(&seen, "child");
        try {
          sleep(1h);
        } catch (const StuckError&) {
          EXPECT_THROW(sleep(1ms), StuckError) << "there is no more waiting";
          EXPECT_THROW(tasklet([] {}).get(), Cancelled) << "nor spawning";
          throw;
        }
      });
      child.get();
    }));
    sleep(0s);
    sleep(0s);
    kept.push_back(tasklet([&] { seen.push_back("started"); }));
  });
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("sleeper destroyed", "child destroyed", "parent destroyed"));
  EXPECT_THROW(kept[0].get(), StuckError);
  EXPECT_THROW(kept[1].get(), StuckError);
  EXPECT_THROW(kept[2].get(), Cancelled);
}

TEST(ThreadEnd, AThreadLocalTaskletIsJoined) {
  CapturedLog log;
  static bool ended;
  ended = false;
  in_thread([] {
    thread_local std::optional<Tasklet<void>> background;  // destroyed after the loop has ended, or before
    background.emplace(tasklet([] {
      try {
        sleep(1h);
      } catch (const StuckError&) {
        ended = true;
      }
    }));
    sleep(0s);
  });
  EXPECT_TRUE(ended);
}

// Nothing can end them: they are abandoned, never to run again.
TEST(ThreadEnd, TaskletsThatJoinOneAnotherAreAbandoned) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        in_thread([] {
          auto a = std::make_shared<std::optional<Tasklet<void>>>();
          auto b = std::make_shared<std::optional<Tasklet<void>>>();
          a->emplace(tasklet([b] { const auto mine = std::move(**b); }));
          b->emplace(tasklet([a] { const auto mine = std::move(**a); }));
          run_all();
        });
        _exit(0);  // no leak check
      },
      ::testing::ExitedWithCode(0), "2 tasklets of a thread that has ended were abandoned");
}

TEST(ThreadEnd, ExitInATasklet) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::atexit(
            [] { _exit(7); });  // after the loop's end and before LeakSanitizer, which sees the fiber's stack only
        std::vector<Tasklet<void>> tasklets;
        tasklets.push_back(tasklet([] { sleep(1h); }));
        tasklets.push_back(tasklet([] { std::exit(1); }));
        wait_all(tasklets);
      },
      ::testing::ExitedWithCode(7), "");
}

// Its destructor runs after the loop's end: it gets a new loop, which works as long as it has something to do.
TEST(ThreadEnd, AThreadLocalMayUseTheLoopVeryLate) {
  static int result;
  result = 0;
  struct Late {
    ~Late() {
      result = tasklet([] { return 7; }).get();
    }
  };
  in_thread([] {
    thread_local const Late late;
    static_cast<void>(&late);
    EventLoop::current();
  });
  EXPECT_EQ(result, 7);
}

TEST(ThreadEnd, EachThreadHasItsOwn) {
  std::vector<std::thread> threads;
  std::vector<int> sums(4);
  for (int& sum : sums) {
    threads.emplace_back([&sum] {
      std::vector<int> numbers(200, 1);
      for (const int n : map(numbers, [](int x) {
             sleep(1us);
             return x;
           })) {
        sum += n;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(sums, ElementsAre(200, 200, 200, 200));
}

}  // namespace
}  // namespace ndb::test
