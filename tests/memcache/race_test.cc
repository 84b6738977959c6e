// Races on a real memcached: across its restarts, across threads, and many at random. Scripted ones are in
// interleavings_test.cc.

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "gateway_fixture.h"

namespace ndb::memcache {
namespace {

class RaceTest : public GatewayTest {
 protected:
  const std::unique_ptr<Gateway> w1_ = make_gateway(), w2_ = make_gateway(), r1_ = make_gateway(), r2_ = make_gateway();
  const Key key_ = make_key("ada");
};

// memcached counts CAS uniques from the start again after a restart; a lease from before must not fit by chance.
TEST_F(RaceTest, ALeaseFromBeforeARestartIsWorthNothing) {
  std::vector<LeasePtr> leases;
  for (int i = 0; i < 10; ++i) leases.push_back(read(*r1_, make_key(cat("k", i))).lease);
  server_.restart();
  // On the new server, other readers get the same uniques for the same keys.
  for (int i = 0; i < 10; ++i) ASSERT_NE(read(*r2_, make_key(cat("k", i))).lease, nullptr);
  EXPECT_EQ(read(*r1_, key_).outcome, ReadOutcome::kBypass);  // notices that the connection is gone
  EXPECT_EQ(read(*r1_, key_).outcome, ReadOutcome::kMiss);
  for (int i = 0; i < 10; ++i) {
    fill(*r1_, leases[static_cast<std::size_t>(i)], 1, "v1");
    EXPECT_EQ(record(make_key(cat("k", i))), "EMPTY 0");
  }
}

TEST_F(RaceTest, ALeaseFromBeforeARestartIsNotSentOnTheOldConnectionEither) {
  const LeasePtr lease = read(*r1_, key_).lease;
  server_.restart();
  ASSERT_NE(read(*r2_, key_).lease, nullptr);
  fill(*r1_, lease, 1, "v1");
  EXPECT_EQ(record(key_), "EMPTY 0");
}

TEST_F(RaceTest, AReleaseAfterARestartReadsAgain) {
  const auto held = lock(*w1_, key_);
  server_.restart();
  const auto other = lock(*w2_, key_);
  unlock(*w1_, key_, *held, CommitOutcome::kApplied, 2, "v2");
  EXPECT_EQ(record(key_), "LOCK 2 held by 1");
  unlock(*w2_, key_, *other, CommitOutcome::kApplied, 3, "v3");
  EXPECT_EQ(record(key_), "VALUE 3");
}

TEST_F(RaceTest, AReleaseIsSentToAServerThatWasGivenUpForDead) {
  const auto held = lock(*w1_, key_);
  server_.kill();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(read(*w1_, key_).outcome, ReadOutcome::kBypass);  // its breaker opens
  server_.restart();
  cache(*r1_, key_, 1, "v1");  // nothing keeps it from that: the lock was lost, and the commit not applied yet
  EXPECT_EQ(record(key_), "VALUE 1");
  unlock(*w1_, key_, *held, CommitOutcome::kApplied, 2);
  EXPECT_EQ(record(key_), "EMPTY 2");
}

// Leases and locks may be used on a thread other than the one that got them: a fill is dropped, a release works.
TEST_F(RaceTest, OtherThreads) {
  const LeasePtr lease = read(*r1_, key_).lease;
  std::thread([&] { fill(*r1_, lease, 1, "v1"); }).join();
  EXPECT_EQ(record(key_), "EMPTY 0");
  const auto held = lock(*w1_, key_);
  std::thread([&] { unlock(*w1_, key_, *held, CommitOutcome::kApplied, 2, "v2"); }).join();
  EXPECT_EQ(record(key_), "VALUE 2");
}

// Writers and readers of few keys on many threads, with one counter per key as the "Datastore": no read returns less
// than what was acknowledged before it began.
TEST_F(RaceTest, ManyThreads) {
  constexpr std::size_t kKeys = 3;
  constexpr int kThreads = 4, kSteps = 400;
  struct Entity {
    Mutex mutex;
    std::uint64_t version = 1;
    std::atomic<std::uint64_t> acknowledged{1};
  };
  std::array<Entity, kKeys> datastore;
  std::atomic<int> hits{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int step = 0; step < kSteps; ++step) {
        const std::size_t k = random() % kKeys;
        const Key key = make_key(cat("shared", k));
        Entity& entity = datastore[k];
        const auto lookup = [&] {
          MutexLock hold(entity.mutex);
          return entity.version;
        };
        if (random() % 5 == 0) {
          const auto held = lock(*r1_, key);
          ASSERT_TRUE(held.ok());
          std::uint64_t version = 0;
          {
            MutexLock hold(entity.mutex);
            version = ++entity.version;
          }
          const std::string payload = cat(version);
          unlock(*r1_, key, *held, CommitOutcome::kApplied, version,
                 random() % 2 == 0 ? std::optional<std::string_view>(payload) : std::nullopt);
          std::uint64_t seen = entity.acknowledged;
          while (seen < version && !entity.acknowledged.compare_exchange_weak(seen, version)) {
          }
          continue;
        }
        const std::uint64_t floor = entity.acknowledged;
        ReadResult result = read(*r1_, key);
        if (result.outcome == ReadOutcome::kHit) {
          ++hits;
          EXPECT_GE(result.version, floor);
          EXPECT_EQ(result.payload, cat(result.version));
        } else if (result.lease != nullptr) {
          const std::uint64_t version = lookup();
          fill(*r1_, result.lease, version, cat(version));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(hits, 0);
  for (std::size_t k = 0; k < kKeys; ++k) {
    const Key key = make_key(cat("shared", k));
    const auto last = fetch(server_, key);
    ASSERT_TRUE(last);
    if (last->state == State::kLock) {
      EXPECT_NE(last->contended_until, 0u) << record(key);  // nobody holds it any more
    }
    EXPECT_LE(last->version, datastore[k].version);
  }
  EXPECT_EQ(r1_->stats().errors, 0u);
}

}  // namespace
}  // namespace ndb::memcache
