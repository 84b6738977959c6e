// Races in which a writer dies or does not learn the outcome of its commit, or its lock is evicted, expires, or is lost
// with a restarted server. See interleavings_test.cc. Once a lock is lost, P3 is not promised.

#include <atomic>

#include "interleaving_fixture.h"

namespace ndb::memcache {
namespace {

using std::chrono::seconds;
using LostLocks = InterleavingTest;

// As with protocols that only invalidate after the commit: W1 dies in between.
TEST_F(LostLocks, WriterDiesAfterTheCommit) {
  cache_v1();
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(record(), "LOCK 1 held by 1");
  clock_.advance(seconds(64));
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

// Legacy NDB: R1's placeholder replaced the lock of W2, which dies after its commit.
TEST_F(LostLocks, WriterDiesBesideAReader) {
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  evict();
  Paused r1(server_.hold({.verb = Verb::kAdd, .client = "R1"}), [&] { return r1_.gets(); });
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(r1.resume(), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v2");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r1_.fills(), "LOCK 0 held by 1");
  EXPECT_EQ(r2_.reads(), "v3");
}

// nds: W1's delete removed the lock of W2, which dies after its commit.
TEST_F(LostLocks, WriterDiesBesideAWriter) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1_.releases(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v2");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r1_.fills(), "LOCK 2 held by 1");
  EXPECT_EQ(r2_.gets(), "bypassed");
  clock_.advance(seconds(391));
  EXPECT_EQ(r2_.reads(), "v3");
  EXPECT_EQ(r1_.gets(), "hit v3");
}

// Facebook's leases: R1 has one from before W2's commit, after which W2 dies.
TEST_F(LostLocks, WriterDiesBesideALease) {
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v2");
  EXPECT_EQ(w2_.locks(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r1_.fills(), "LOCK 2 held by 1");
  EXPECT_EQ(r2_.reads(), "v3");
}

// W2's release must not open the record for W1: W2 has taken W1's lock over and opens the record; then W1 commits and
// dies.
TEST_F(LostLocks, WriterDiesBesideAWriteThrough) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(r2_.gets(), "bypassed");
}

// A writer that died before its commit keeps the key uncached until its lock expires; if other writers keep the record
// alive, until all clocks agree that its time is over.
TEST_F(LostLocks, WriterDiesBeforeTheCommit) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  clock_.advance(seconds(64));
  EXPECT_EQ(record(), "absent");
  EXPECT_EQ(r1_.reads(), "v1");
  EXPECT_EQ(r1_.gets(), "hit v1");
}

TEST_F(LostLocks, WriterDiesBeforeTheCommitAndOthersWrite) {
  EXPECT_EQ(w1_.locks(seconds(60)), "LOCK 0 held by 1");
  clock_.advance(seconds(30));
  EXPECT_EQ(w2_.writes(), "LOCK 2 held by 1");
  clock_.advance(seconds(329));
  EXPECT_EQ(w2_.writes(), "LOCK 3 held by 1");
  EXPECT_EQ(r1_.reads(), "v3");
  clock_.advance(seconds(10));
  EXPECT_EQ(w2_.writes(), "EMPTY 4");
}

// As in nds' transactions: the lock is evicted, R1 leases and reads v1, W1 commits and does nothing more.
TEST_F(LostLocks, EvictedAndFilledBeforeTheRelease) {
  promised_.p3 = false;
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r1_.fills(), "VALUE 1");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

TEST_F(LostLocks, EvictedAndFilledAfterTheRelease) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.writes_through(), "EMPTY 2");  // no longer its own lock: nothing is served
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

TEST_F(LostLocks, RestartedInTheCommit) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  server_.restart();
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
}

// A release must raise the minimum: W1's lock is evicted, W2 locks and commits before W1; W1's release must put its
// version into the record of W2.
TEST_F(LostLocks, EvictedBesideAWriteThrough) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(w1_.releases(), "LOCK 3 held by 1");
  EXPECT_EQ(w2_.writes_through(), "EMPTY 3");
  EXPECT_EQ(r1_.reads(), "v3");
}

// The other order: here P3 is broken, and P1 is not.
TEST_F(LostLocks, KnownLimitEvictedBesideAWriteThrough) {
  promised_.p3 = false;
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  evict();
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "VALUE 2");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(r1_.looks_up(), "v3");
  EXPECT_EQ(r1_.gets(), "hit v2");
  EXPECT_EQ(w1_.releases(), "EMPTY 3");
}

// If W1 dies as well, v2 stays until its time-out.
TEST_F(LostLocks, KnownLimitEvictedAndDead) {
  promised_.p2 = false;
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "VALUE 2");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

// The clock of a machine whose wall clock is wrong.
class WrongClock final : public Clock {
 public:
  WrongClock(const Clock& right, seconds ahead) : right_(right), ahead_(ahead) {}
  WallTime now() const override { return right_.now() + ahead_.load(); }
  Monotonic monotonic() const override { return right_.monotonic(); }
  void set_ahead(seconds ahead) { ahead_ = ahead; }

 private:
  const Clock& right_;
  std::atomic<seconds> ahead_;
};

// Five minutes of difference are allowed for. W3 considers W1's lock expired, or W1 considers W3's so, and neither
// drops the other's.
TEST_F(LostLocks, ClocksThatDiffer) {
  for (const seconds ahead : {seconds(295), seconds(-295)}) {
    SCOPED_TRACE(ahead.count());
    const WrongClock clock(clock_, ahead);
    Actor w3(*this, "W3", clock);
    for (const bool wrong_first : {true, false}) {
      SCOPED_TRACE(wrong_first);
      evict();
      Actor& first = wrong_first ? w3 : w1_;
      Actor& second = wrong_first ? w1_ : w3;
      EXPECT_EQ(first.locks(), "LOCK 0 held by 1");
      clock_.advance(seconds(55));
      EXPECT_EQ(second.locks(), "LOCK 0 held by 2");
      first.commits();
      EXPECT_EQ(r1_.gets(), "bypassed");
      second.commits();
      EXPECT_THAT(second.releases(), ::testing::EndsWith("held by 1"));
      EXPECT_EQ(r1_.gets(), "bypassed");
      EXPECT_THAT(first.releases(), ::testing::StartsWith("EMPTY"));
      EXPECT_EQ(r1_.reads(), cat('v', datastore_.version.load()));
      EXPECT_EQ(r2_.gets(), cat("hit v", datastore_.version.load()));
    }
  }
}

// Found by the model with three writers. W1's lock is gone, and its release finds a contended one in the last round. It
// must leave its version there: W3, whose clock jumps ahead, considers the contention over and itself the last holder.
TEST_F(LostLocks, ClockThatJumpsOverAContendedLock) {
  WrongClock clock(clock_, seconds(0));
  Actor w3(*this, "W3", clock);
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(w3.locks(), "LOCK 0 held by 1");
  ASSERT_TRUE(w2_.gateway().invalidate({&key_, 1}).ok());
  EXPECT_EQ(w3.commits(), "v2");
  EXPECT_EQ(w1_.commits(), "v3");
  server_.lose({.verb = Verb::kCas, .client = "W1", .nth = 0});
  EXPECT_EQ(w1_.writes_through(), "LOCK 3 held by 0 contended");
  clock.set_ahead(seconds(2'000));
  EXPECT_EQ(w3.writes_through(), "LOCK 3 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v3");
}

// The commit takes longer than the lock. The writer can check that beforehand; if it is suspended after the check, the
// effect is that of an evicted lock.
TEST_F(LostLocks, CommitSlowerThanTheLock) {
  promised_.p3 = false;
  cache_v1();
  EXPECT_EQ(w1_.locks(seconds(10)), "LOCK 1 held by 1");
  EXPECT_TRUE(w1_.is_protected());
  clock_.advance(seconds(9));
  EXPECT_FALSE(w1_.is_protected());
  EXPECT_EQ(record(), "LOCK 1 held by 1");  // it outlives what the writer counts on
  clock_.advance(seconds(5));
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r1_.fills(), "VALUE 1");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

// As in python-ndb's transactions: W2 unlocks after a commit without an answer, and the commit lands later.
TEST_F(LostLocks, UnknownCommitLandsLater) {
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(w2_.locks(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.loses_the_answer(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
  clock_.advance(seconds(325));
  EXPECT_EQ(r2_.gets(), "bypassed");
  EXPECT_EQ(r2_.looks_up(), "v2");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r2_.fills(), "LOCK 2 held by 1");
  clock_.advance(seconds(10));
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(r2_.gets(), "hit v3");
}

// Its lock was lost: it is taken again, which also invalidates R1's lease.
TEST_F(LostLocks, UnknownCommitAndEviction) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.loses_the_answer(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r1_.fills(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
}

// W2 knows that its commit succeeded; W1, which does not, remains in the record.
TEST_F(LostLocks, UnknownCommitBesideAKnownOne) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1_.loses_the_answer(), "LOCK 0 held by 2");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(r1_.reads(), "v3");
}

TEST_F(LostLocks, FailedCommit) {
  cache_v1();
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(w1_.fails(), "EMPTY 1");
  EXPECT_EQ(r1_.reads(), "v1");
  EXPECT_EQ(r1_.gets(), "hit v1");
}

// The error of a batch does not say which of its writes were applied.
TEST_F(LostLocks, BatchThatFailedInPart) {
  const std::vector<Key> keys = {key_, make_key("bob"), make_key("eve")};
  std::vector<Unlock> unlocks;
  for (const auto& held : lock(w1_.gateway(), keys, seconds(60))) {
    ASSERT_TRUE(held.ok());
    unlocks.push_back({.lock = *held, .key = keys[unlocks.size()], .outcome = CommitOutcome::kUnknown});
  }
  EXPECT_EQ(w1_.commits(), "v2");
  w1_.gateway().unlock(unlocks);
  for (const Key& key : keys) EXPECT_EQ(record(key), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
}

// As with every protocol that trusts CAS uniques: after a restart the server assigns the unique of R1's lease to
// another record.
TEST_F(LostLocks, LeaseWithAUniqueThatIsUsedAgain) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  const std::uint64_t unique = server_.item(name_)->unique;
  server_.restart();
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  evict();
  server_.set_next_unique(unique);
  EXPECT_EQ(r2_.gets(), "leased");
  ASSERT_EQ(server_.item(name_)->unique, unique);
  EXPECT_EQ(r1_.fills(), "EMPTY 0");
  EXPECT_EQ(r1_.fills(), "EMPTY 0");  // on its new connection
  EXPECT_EQ(r2_.reads(), "v2");
}

// The first fill of a batch finds the connection closed; the others must not go out on the next one.
TEST_F(LostLocks, LeasesOfABatchWithUniquesThatAreUsedAgain) {
  std::vector<Key> keys;
  std::vector<ReadRequest> requests;
  for (int i = 0; i < 50; ++i) requests.push_back({.key = keys.emplace_back(make_key(cat("k", i)))});
  std::vector<Fill> fills;
  for (const ReadResult& miss : r1_.gateway().read(requests)) {
    fills.push_back({.lease = miss.lease, .version = 1, .payload = "v1"});
  }
  const std::uint64_t unique = server_.item(record_name(keys[0].bytes()))->unique;
  server_.restart();
  server_.set_next_unique(unique);
  for (const ReadResult& miss : r2_.gateway().read(requests)) ASSERT_NE(miss.lease, nullptr);
  ASSERT_EQ(server_.item(record_name(keys[0].bytes()))->unique, unique);
  for (int repeated = 0; repeated < 3; ++repeated) {
    r1_.gateway().fill(fills);
    settle(r1_.gateway());
  }
  for (const Key& key : keys) EXPECT_EQ(record(key), "EMPTY 0");
}

// The same for a lock: W1's unique equals that of W2's lock, which its write-through would replace.
TEST_F(LostLocks, LockWithAUniqueThatIsUsedAgain) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  const std::uint64_t unique = server_.item(name_)->unique;
  server_.restart();
  server_.set_next_unique(unique);
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  ASSERT_EQ(server_.item(name_)->unique, unique);
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(w1_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.releases(), "EMPTY 3");
}

// A server without uniques; libmemcached treats 0 as "whatever is there".
TEST_F(LostLocks, UniqueZero) {
  server_.disable_cas();
  EXPECT_EQ(r1_.gets(), "missed");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1 contended");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.writes_through(), "LOCK 2 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v2");
  for (const auto& command : server_.log()) EXPECT_NE(command.verb, Verb::kCas);
}

}  // namespace
}  // namespace ndb::memcache
