// Locks of transactions: lost, too short, kept after an unknown outcome.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "context/transaction_fixture.h"
#include "support/scripted_memcached.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

// The clock of a machine that may be suspended each time the clock is read.
class SuspendedClock final : public ndb::Clock {
 public:
  ndb::WallTime now() const override { return system().now(); }
  ndb::Monotonic monotonic() const override {
    return system().monotonic() + std::chrono::nanoseconds(passed_ += each_look);
  }
  std::atomic<std::int64_t> each_look{0};  // nanoseconds

 private:
  mutable std::atomic<std::int64_t> passed_{0};
};

TEST_F(Transactions, AnUnknownOutcomeKeepsTheLocks) {
  set("a", 1);
  const ndb::Client client = with_failing_commits(absl::UnavailableError("cut"), /*apply=*/true);
  in_new_context(client, [&] {
    Counter::get_by_id("a");
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("unknown whether"));
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
    }
    EXPECT_EQ(commits_, 1);                    // never made again
    EXPECT_EQ(Counter::get_by_id("a")->n, 2);  // it was applied; the old slot is gone
  });
  const auto counts = in_new_context(client_, [] { EXPECT_EQ(Counter::get_by_id("a")->n, 2); });
  EXPECT_EQ(counts.memcache_hits + counts.memcache_fills, 0);
}

TEST_F(Transactions, WithoutItsLocksNothingIsWritten) {
  set("a", 1);
  ndb::ClientOptions options = this->options();
  options.memcached_hosts = {"127.0.0.1:1"};  // nobody there
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(ndb::Client(options), stub);
  int rollbacks = 0;
  stub->on_rollback = [&](const auto&) { ++rollbacks; };
  const auto counts = in_new_context(client, [] {
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(error.what(), HasSubstr("transaction not committed"));
      EXPECT_THAT(error.what(), HasSubstr("Counter"));
    }
    EXPECT_EQ(Counter::get_by_id("a")->n, 1);
    // A transaction without writes needs no locks.
    EXPECT_EQ(ndb::transaction([] { return Counter::get_by_id("a")->n; }), 1);
  });
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(rollbacks, 4);  // of every attempt
}

// If memcached has no memory for a lock, the transaction waits for it, and its function does not run again.
TEST_F(Transactions, LocksWithoutMemoryAreWaitedFor) {
  ScriptedMemcached server(ndb::Clock::system());
  ndb::ClientOptions options = this->options();
  options.memcached_hosts = {server.address("client")};
  const ndb::Client client(options);
  const ndb::Key key = ndb::key<Counter>("full").in_partition({.project = project(), .database = "", .namespace_ = ""});
  const std::string name = core_of(client)->gateway->inspect({&key, 1}).front().name;
  // Stores want no reply, so a server without memory says nothing. One attempt at a lock is four races and one blind
  // store.
  for (int nth = 1; nth <= 4; ++nth) server.refuse({.verb = Verb::kAdd, .key = name, .nth = nth}, "");
  server.refuse({.verb = Verb::kSet, .key = name}, "");
  int runs = 0;
  const auto counts = in_new_context(client, [&] {
    ndb::transaction([&] {
      ++runs;
      Counter::make({.n = 1}, ndb::id("full")).put();
      Counter::make({.n = 2}, ndb::id("other")).put();
    });
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(get("full"), 1);
  EXPECT_EQ(get("other"), 2);
}

TEST_F(Transactions, UnderLocksThatMayHaveEndedNothingIsWritten) {
  SuspendedClock clock;
  const auto core = ndb::testing::take_core(client());
  auto config = ndb::context::memcache_config(options());
  config.clock = &clock;
  core->gateway = *ndb::memcache::Gateway::make(std::move(config));
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(ndb::detail::ClientAccess::make(core), stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    ++commits;
    return ScriptedStub::Verdict{};
  };
  set("a", 1);
  in_new_context(client, [&] {
    clock.each_look = std::chrono::nanoseconds(std::chrono::minutes(2)).count();
    try {
      ndb::transaction([] { increment("a"); });
      ADD_FAILURE() << "it was committed";
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(error.what(), HasSubstr("its lock in memcache took too long"));
    }
    EXPECT_EQ(commits, 0);
    clock.each_look = 0;
    ndb::transaction([] { increment("a"); });
    EXPECT_EQ(commits, 1);
  });
  EXPECT_EQ(get("a"), 2);
}

// With an id that is allocated before the commit, the put can be resent.
TEST_F(Transactions, AllocateFirstMakesAPutResendable) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    // The first attempt is applied, and its answer is lost.
    return ++commits == 1 ? ScriptedStub::Verdict{absl::UnavailableError("cut"), true} : ScriptedStub::Verdict{};
  };
  in_new_context(client, [&] {
    EXPECT_THROW(Counter::make({.n = 1}).put({.retries = 2}), ndb::Error);
    EXPECT_EQ(commits, 1);
    commits = 0;
    const ndb::Key key = Counter::make({.n = 2}).put({.allocate_first = true, .retries = 2});
    EXPECT_EQ(commits, 2);
    EXPECT_TRUE(key.is_complete());
    EXPECT_EQ(Counter::query(Counter::n == 2).keys(), std::vector{key});
    EXPECT_EQ(key.get<Counter>({.use_cache = false})->n, 2);
    commits = 1;
    const ndb::Key named = Counter::make({.n = 3}, ndb::id("x")).put({.allocate_first = true});
    EXPECT_EQ(named, ndb::key<Counter>("x").in_partition({.project = project()}));
  });
}

}  // namespace
}  // namespace ndb::testing
