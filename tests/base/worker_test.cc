#include "base/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>

#include "base/clock.h"

namespace ndb {
namespace {

using namespace std::chrono_literals;

TEST(Worker, IsCalledSoonAfterItWasWoken) {
  std::promise<void> called;
  Worker worker([&]() -> std::optional<std::chrono::milliseconds> {
    called.set_value();
    return std::nullopt;
  });
  worker.wake();
  called.get_future().wait();
}

TEST(Worker, IsCalledAgainAfterItsPauseAndNotBefore) {
  std::promise<void> over;
  std::optional<Monotonic> first;
  Monotonic second{};
  Worker worker([&]() -> std::optional<std::chrono::milliseconds> {
    if (first) {
      second = Clock::system().monotonic();
      over.set_value();
      return std::nullopt;
    }
    first = Clock::system().monotonic();
    return 20ms;
  });
  worker.wake();
  over.get_future().wait();
  EXPECT_GE(second - *first, 20ms);
}

TEST(Worker, APauseEndsWithAWake) {
  std::atomic<int> calls{0};
  std::promise<void> first, second;
  Worker worker([&]() -> std::optional<std::chrono::milliseconds> {
    (++calls == 1 ? first : second).set_value();
    return calls == 1 ? std::optional<std::chrono::milliseconds>(1h) : std::nullopt;
  });
  worker.wake();
  first.get_future().wait();
  worker.wake();
  second.get_future().wait();
}

TEST(Worker, StopWaitsForTheCallAndWakesNobodyAfterwards) {
  std::promise<void> called, go_on;
  std::atomic<int> calls{0};
  Worker worker([&]() -> std::optional<std::chrono::milliseconds> {
    if (++calls == 1) {
      called.set_value();
      go_on.get_future().wait();
    }
    return 0ms;
  });
  worker.wake();
  called.get_future().wait();
  go_on.set_value();
  worker.stop();
  const int before = calls;
  worker.wake();
  worker.stop();
  EXPECT_EQ(calls, before);
}

}  // namespace
}  // namespace ndb
