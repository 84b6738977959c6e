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
