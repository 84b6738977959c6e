#include "memcache/transport/breaker.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace ndb::memcache {
namespace {

class BreakerTest : public ::testing::Test {
 protected:
  void fail_until_open() {
    for (int i = 0; i < Breaker::kFailures; ++i) {
      ASSERT_TRUE(breaker_.allow());
      breaker_.failed();
    }
  }
  testing::FakeClock clock_;
  Breaker breaker_{clock_};
};

TEST_F(BreakerTest, OpensAfterFailuresInARowOnly) {
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(breaker_.allow());
    breaker_.failed();
    ASSERT_TRUE(breaker_.allow());
    breaker_.succeeded();
  }
  fail_until_open();
  EXPECT_FALSE(breaker_.allow());
}

TEST_F(BreakerTest, WaitsThatWereCutShortAddUpToFailures) {
  using std::chrono::milliseconds;
  const Monotonic start = clock_.monotonic();
  const auto cut = [&](int from, int to) {
    breaker_.cut_short(start + milliseconds(from), start + milliseconds(to), milliseconds(50));
  };
  for (int i = 0; i < 14; ++i) {
    ASSERT_TRUE(breaker_.allow());
    cut(1000 * i, 1000 * i + 10);
  }
  ASSERT_TRUE(breaker_.allow());
  breaker_.succeeded();  // an answer: all over again
  for (int i = 20; i < 35; ++i) {
    ASSERT_TRUE(breaker_.allow()) << i;
    cut(1000 * i, 1000 * i + 10);
  }
  EXPECT_FALSE(breaker_.allow());
  clock_.advance(Breaker::kInterval);
  EXPECT_TRUE(breaker_.allow());
  cut(50000, 50001);  // a probe without an answer
  EXPECT_FALSE(breaker_.allow());
  clock_.advance(Breaker::kInterval);
  EXPECT_TRUE(breaker_.allow());
  cut(60000, 60000);  // no time to wait at all: the next may try at once
  EXPECT_TRUE(breaker_.allow());
}

TEST_F(BreakerTest, ManyWaitsAtOneTimeAreOneSilence) {
  const Monotonic start = clock_.monotonic();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(breaker_.allow());
    breaker_.cut_short(start, start + std::chrono::milliseconds(3), std::chrono::milliseconds(50));
  }
  EXPECT_TRUE(breaker_.allow());
  // No single wait is more than one failure.
  breaker_.cut_short(start, start + std::chrono::seconds(9), std::chrono::milliseconds(50));
  EXPECT_TRUE(breaker_.allow());
}

TEST_F(BreakerTest, LetsOneProbeThroughAtATime) {
  fail_until_open();
  clock_.advance(Breaker::kInterval - std::chrono::milliseconds(1));
  EXPECT_FALSE(breaker_.allow());
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_TRUE(breaker_.allow());
  EXPECT_FALSE(breaker_.allow());
  breaker_.failed();
  EXPECT_FALSE(breaker_.allow());
  clock_.advance(Breaker::kInterval);
  EXPECT_TRUE(breaker_.allow());
  breaker_.undecided();  // said nothing: the next may try at once
  EXPECT_TRUE(breaker_.allow());
  breaker_.succeeded();
  EXPECT_TRUE(breaker_.allow());
  EXPECT_TRUE(breaker_.allow());
}

}  // namespace
}  // namespace ndb::memcache
