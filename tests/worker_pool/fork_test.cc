// A pool in programs that fork. Each test is a process of its own; no request makes a call, so that no server is
// needed.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ndb/ndb.h"
#include "ndb/worker_pool.h"
#include "support/forked.h"

namespace {

using namespace std::chrono_literals;
using ndb::testing::expect;
using ndb::testing::expect_error;
using ndb::testing::in_child;

TEST(WorkerPoolForkDeathTest, APoolThatWasUsedIsAnErrorInTheChildAndGoesOnInTheParent) {
  ndb::testing::run([] {
    const ndb::Client client({.emulator_host = "127.0.0.1:1", .memcached_hosts = std::vector<std::string>{}});
    auto pool = std::make_unique<ndb::WorkerPool>(client, ndb::WorkerPoolOptions{.threads = 2});
    const auto use = [&] {
      if (pool->submit({}, [] { return 7; }).get() != 7) throw std::runtime_error("another number");
    };
    const std::string unused = in_child([&] {
      use();
      pool = nullptr;
    });
    expect(unused == "works", unused);
    use();
    const std::vector<std::function<void()>> calls = {
        use,
        [&] {
          absl::Status seen;
          pool->submit({}, [] {}, [&](absl::Status status) { seen = std::move(status); });
          if (!seen.ok()) ndb::throw_error(seen);
        },
        [&] { pool->stop(0s); },
        [&] { pool->stats(); },
    };
    for (const auto& call : calls) expect_error(in_child(call));
    const std::string destroyed = in_child([&] { pool = nullptr; });
    expect(destroyed == "works", destroyed);
    use();
    pool = nullptr;
  });
}

}  // namespace
