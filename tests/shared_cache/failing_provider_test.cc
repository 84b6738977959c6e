// Providers that fail while there is an older value: max_stale_on_error. Another client represents another process.

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_clock.h"
#include "support/tiers.h"
#include "tasklet/support.h"

namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointee;
using Cache = ndb::SharedCache<int>;

class FailingProvider : public ndb::testing::Tiers {
 protected:
  ndb::Client with_clock() { return with_clock(client()); }
  ndb::Client with_clock(const ndb::Client& client) {
    auto core = ndb::testing::take_core(client);
    core->clock = &clock_;
    return ndb::detail::ClientAccess::make(core);
  }
  // Values live for 90 to 100 s, and 60 s longer if the provider fails.
  ndb::SharedCacheOptions<int> options() const {
    return {.name = ::testing::UnitTest::GetInstance()->current_test_info()->name(),
            .timeout = 100s,
            .max_stale_on_error = 60s,
            .early_refresh = 0};
  }
  std::function<int()> failing() {
    return [this]() -> int {
      ++calls_;
      throw std::runtime_error("the source is down");
    };
  }
  static std::function<int()> giving(int value) {
    return [value] { return value; };
  }

  ndb::testing::FakeClock clock_;
  ndb::test::CapturedLog log_;
  int calls_ = 0;
};

TEST_F(FailingProvider, TheOldValueIsServedWithinTheBound) {
  Cache cache(with_clock(), options());
  cache.get("k", giving(1));
  clock_.advance(101s);
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_EQ(calls_, 1) << "a provider that has failed is left alone for a second";
  clock_.advance(1s);
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(cache.stats().served_on_error, 3u);
  EXPECT_EQ(cache.stats().provider_errors, 2u);
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("the source is down"))) << "once a minute";
  clock_.advance(1s);
  EXPECT_THAT(cache.get("k", giving(2)), Pointee(2)) << "it has come back";
  EXPECT_THAT(cache.get("k", failing()), Pointee(2));
  EXPECT_EQ(calls_, 2);
  clock_.advance(161s);
  EXPECT_THROW(cache.get("k", failing()), std::runtime_error) << "beyond the bound";
}

TEST_F(FailingProvider, WithoutTheOptionAllGetTheException) {
  auto no_bound = options();
  no_bound.max_stale_on_error = 0s;
  Cache cache(with_clock(), no_bound);
  cache.get("k", giving(1));
  clock_.advance(101s);
  EXPECT_THROW(cache.get("k", failing()), std::runtime_error);
  EXPECT_EQ(cache.stats().provider_errors, 1u);
}

// Its age exceeds what the options allow.
TEST_F(FailingProvider, InvalidatedValuesAreNotServed) {
  const ndb::Client client = with_clock();
  Cache here(client, options()), there(client, options());
  for (const bool expired : {false, true}) {
    for (Cache* const invalidating : {&here, &there}) {
      here.get("k", giving(1));
      if (expired) clock_.advance(101s);
      invalidating->invalidate("k");
      EXPECT_THROW(here.get("k", failing()), std::runtime_error);
    }
  }
}

// It cannot be known then whether it was invalidated.
TEST_F(FailingProvider, WithoutMemcachedBothBoundsCount) {
  ndb::testing::MemcachedServer server;
  ndb::ClientOptions client_options = Tiers::options();
  client_options.memcached_hosts = {server.address()};
  const ndb::Client client = with_clock(ndb::Client(client_options));
  auto strict = options(), relaxed = options();
  relaxed.when_unreachable = ndb::WhenUnreachable::serve_within(150s);
  Cache none(client, strict), within(client, relaxed);
  none.get("k", giving(1));
  within.get("k", giving(1));
  clock_.advance(101s);
  server.kill();
  EXPECT_THROW(none.get("k", failing()), std::runtime_error);
  EXPECT_THAT(within.get("k", failing()), Pointee(1));
  clock_.advance(50s);
  EXPECT_THROW(within.get("k", failing()), std::runtime_error);
}

// Callers that wait for the call get the old value too.
TEST_F(FailingProvider, WaitersOfAFailedCallGetTheOldValue) {
  Cache cache(with_clock(), options());
  cache.get("k", giving(1));
  clock_.advance(101s);
  std::latch called(1), go(1);
  std::thread leader([&] {
    EXPECT_THAT(cache.get("k",
                          [&]() -> int {
                            called.count_down();
                            go.wait();
                            throw std::runtime_error("the source is down");
                          }),
                Pointee(1));
  });
  called.wait();
  std::thread joins([&] { EXPECT_THAT(cache.get("k", failing()), Pointee(1)); });
  while (cache.stats().misses < 3) std::this_thread::yield();
  go.count_down();
  leader.join();
  joins.join();
  EXPECT_LE(calls_, 1);  // 1 if it came too late to join
}

TEST_F(FailingProvider, OfManyKeysOnlyThoseWithoutAValueFail) {
  Cache cache(with_clock(), options());
  cache.get("old", giving(1));
  clock_.advance(101s);
  const auto fails = [](const std::vector<std::string>&) -> std::vector<int> { throw std::runtime_error("down"); };
  EXPECT_THAT(cache.get_multi({"old", "old"}, fails), ElementsAre(Pointee(1), Pointee(1)));
  clock_.advance(1s);
  EXPECT_THROW(cache.get_multi({"old", "new"}, fails), std::runtime_error);
  EXPECT_THAT(cache.get("old", failing()), Pointee(1));
}

// A failed early renewal is reported to nobody, and repeated after a while.
TEST_F(FailingProvider, AnEarlyRenewalIsTriedAgain) {
  auto eager = options();
  eager.early_refresh = 1000;
  Cache cache(with_clock(), eager);
  cache.get("k", [&] {
    clock_.advance(1h);
    return 1;
  });
  clock_.advance(60s);  // the renewal is due: on the average it is 3,600,000 s before the end
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_EQ(calls_, 1);
  clock_.advance(1s);
  EXPECT_THAT(cache.get("k", failing()), Pointee(1));
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(cache.stats().renewals, 2u);
  EXPECT_EQ(cache.stats().served_on_error, 0u) << "it is not past its time-out";
}

TEST_F(FailingProvider, ANegativeBoundIsRefused) {
  auto negative = options();
  negative.max_stale_on_error = -1s;
  EXPECT_THROW(Cache(with_clock(), negative), ndb::BadArgumentError);
}

}  // namespace
