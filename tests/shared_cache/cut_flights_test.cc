// The request that calls a provider for others ends before the provider does; or one that waits for it.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <vector>

#include "support/tiers.h"

namespace {

using namespace std::chrono_literals;
using ::testing::Pointee;
using Cache = ndb::SharedCache<int>;

class CutFlights : public ndb::testing::Tiers, public ::testing::WithParamInterface<bool> {
 protected:
  static bool by_cancelling() { return GetParam(); }
  // A request that ends by its deadline, or with `source`.
  ndb::ContextOptions that_ends(const std::stop_source& source) const {
    ndb::ContextOptions options;
    if (by_cancelling()) {
      options.stop = source.get_token();
    } else {
      options.deadline = 300ms;
    }
    return options;
  }
  static void expect_end(const absl::Status& status) {
    EXPECT_EQ(status.code(), by_cancelling() ? absl::StatusCode::kCancelled : absl::StatusCode::kDeadlineExceeded)
        << status;
  }
  template <class Body>
  static absl::Status status_of(const Body& body) {
    try {
      body();
    } catch (const ndb::Error& error) {
      return error.status();
    }
    return absl::OkStatus();
  }

  const ndb::Client client_ = client();
};
INSTANTIATE_TEST_SUITE_P(By, CutFlights, ::testing::Bool(),
                         [](const auto& by) { return by.param ? "Cancelling" : "Deadline"; });

TEST_P(CutFlights, OneOfThoseThatWaitCallsTheProviderAgain) {
  constexpr int kOthers = 3;
  Cache cache(client_, {.name = "cut"});
  std::stop_source source;
  std::counting_semaphore<> began(0);
  std::thread first([&] {
    const auto scope = client_.context(that_ends(source));
    expect_end(status_of([&] {
      cache.get("k", [&] {
        began.release();
        ndb::sleep(1h);
        return 1;
      });
    }));
    began.release();  // if it has ended before it came to the provider
  });
  began.acquire();
  std::atomic<int> calls{0};
  std::latch asking(kOthers);
  std::vector<std::thread> others;
  for (int i = 0; i < kOthers; ++i) {
    others.emplace_back([&] {
      const auto scope = client_.context();
      asking.count_down();
      EXPECT_EQ(status_of([&] { EXPECT_THAT(cache.get("k", [&] { return ++calls, 2; }), Pointee(2)); }),
                absl::OkStatus());
    });
  }
  asking.wait();
  source.request_stop();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(calls, 1);
}

TEST_P(CutFlights, AWaitForTheProviderOfAnotherRequestEnds) {
  Cache cache(client_, {.name = "waiting"});
  std::stop_source source;
  std::latch began(1), ended(1);
  std::thread first([&] {
    const auto scope = client_.context();
    EXPECT_THAT(cache.get("k",
                          [&] {
                            began.count_down();
                            ended.wait();
                            return 1;
                          }),
                Pointee(1));
  });
  began.wait();
  std::thread second([&] {
    const auto scope = client_.context(that_ends(source));
    if (by_cancelling()) source.request_stop();
    expect_end(status_of([&] { cache.get("k", [] { return 2; }); }));
    ended.count_down();
  });
  second.join();
  first.join();
  const auto scope = client_.context();
  EXPECT_THAT(cache.get("k", [] { return 3; }), Pointee(1));
}

}  // namespace
