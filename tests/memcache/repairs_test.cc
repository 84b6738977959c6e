// Releases that could not be sent, because the writer was cut off from memcached after its commit.

#include "interleaving_fixture.h"
#include "memcache/transport/breaker.h"

namespace ndb::memcache {
namespace {

class Repairs : public InterleavingTest {
 protected:
  // Waits until `gateway` has repaired this many. Advances the clock towards the next attempt of its breaker.
  void await(const Gateway& gateway, std::uint64_t repaired) {
    clock_.advance(Breaker::kInterval);
    while (gateway.stats().repaired < repaired) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      clock_.advance(std::chrono::milliseconds(20));
    }
    EXPECT_EQ(gateway.stats().repairs_waiting, 0u);
  }
};

TEST_F(Repairs, FailedReleasesAreRetried) {
  Gateway& gateway = w1_.gateway();
  const std::vector<Key> keys = {make_key("applied"), make_key("failed"), make_key("unknown"), make_key("unlocked")};
  cache(w2_.gateway(), keys[3], 6, "v6");
  std::vector<Unlock> unlocks(4);
  for (std::size_t i = 0; i < 4; ++i) {
    unlocks[i].key = keys[i];
    if (i < 3) unlocks[i].lock = *lock(gateway, keys[i]);
  }
  unlocks[0].outcome = unlocks[3].outcome = CommitOutcome::kApplied;
  unlocks[0].version = unlocks[3].version = 7;
  unlocks[0].payload = "v7";
  unlocks[1].outcome = CommitOutcome::kFailed;
  unlocks[2].outcome = CommitOutcome::kUnknown;

  server_.cut_off("W1");
  gateway.unlock(unlocks);
  EXPECT_EQ(gateway.stats().unlocks, 0u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(record(keys[i]), "LOCK 0 held by 1");
  EXPECT_EQ(record(keys[3]), "VALUE 6");
  server_.let_in("W1");
  await(gateway, 4);
  EXPECT_EQ(record(keys[0]), "EMPTY 7");  // not the value: a later writer may have been and gone
  EXPECT_EQ(record(keys[1]), "EMPTY 0");
  EXPECT_EQ(record(keys[2]), "LOCK 0 held by 1");
  clock_.advance(std::chrono::seconds(200));  // beyond its first deadline: it stays for as long as its commit may land
  EXPECT_EQ(record(keys[2]), "LOCK 0 held by 1");
  EXPECT_EQ(record(keys[3]), "EMPTY 7");
}

// Meanwhile the lock has ended, another writer was there, and its value is cached.
TEST_F(Repairs, ALateRepairHarmsNobody) {
  w1_.locks();
  w1_.commits();
  server_.cut_off("W1");
  EXPECT_EQ(w1_.releases(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
  clock_.advance(std::chrono::seconds(100));
  w2_.locks();
  w2_.commits();
  EXPECT_EQ(w2_.writes_through(), "VALUE 3");
  server_.let_in("W1");
  await(w1_.gateway(), 1);
  EXPECT_EQ(r1_.reads(), "hit v3");
}

TEST_F(Repairs, AreTriedOnceMoreBeforeTheGatewayGoes) {
  auto leaving = make_gateway(config({server_.address("W3")}));
  const LockPtr held = *lock(*leaving, key_);
  server_.cut_off("W3");
  unlock(*leaving, key_, held, CommitOutcome::kApplied, 1);
  server_.let_in("W3");
  clock_.advance(Breaker::kInterval);
  leaving.reset();
  EXPECT_EQ(record(), "EMPTY 1");
}

}  // namespace
}  // namespace ndb::memcache
