#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ndb {
namespace {

TEST(Log, GoesToTheSinkAndToStderrWithoutOne) {
  std::vector<std::pair<Severity, std::string>> seen;
  set_log_sink([&](Severity severity, std::string_view message) { seen.emplace_back(severity, message); });
  testing::internal::CaptureStderr();
  log(Severity::kWarning, "memcached is old");
  log(Severity::kError, "no room");
  EXPECT_THAT(seen, testing::ElementsAre(testing::Pair(Severity::kWarning, "memcached is old"),
                                         testing::Pair(Severity::kError, "no room")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");

  set_log_sink(nullptr);
  testing::internal::CaptureStderr();
  log(Severity::kInfo, "ready");
  log(Severity::kError, "no room");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "ndb info: ready\nndb error: no room\n");
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Log, TheSinkIsCalledByOneThreadAtATime) {
  std::atomic<int> inside = 0;
  bool overlap = false;
  int calls = 0;  // not atomic: ThreadSanitizer sees an overlap too
  set_log_sink([&](Severity, std::string_view) {
    overlap = overlap || inside.fetch_add(1) > 0;
    ++calls;
    inside.fetch_sub(1);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) log(Severity::kInfo, "tick");
    });
  }
  for (std::thread& thread : threads) thread.join();
  set_log_sink(nullptr);
  EXPECT_FALSE(overlap);
  EXPECT_EQ(calls, 4000);
}

}  // namespace
}  // namespace ndb
