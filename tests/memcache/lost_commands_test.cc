// Races in which one command, or its reply, is lost or late, or a writer is cut off from memcached. See
// interleavings_test.cc.

#include "interleaving_fixture.h"

namespace ndb::memcache {
namespace {

using std::chrono::seconds;
using LostCommands = InterleavingTest;

// As in legacy NDB: R1 overwrote the lock, and W1's delete is lost. Here the release may be lost, because it is
// repeated.
TEST_F(LostCommands, LostRelease) {
  Paused r1(server_.hold({.verb = Verb::kAdd, .client = "R1"}), [&] { return r1_.gets(); });
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(r1.resume(), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose({.verb = Verb::kCas, .client = "W1"});
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

// If every attempt is lost, a blind lock replaces its own, and expires.
TEST_F(LostCommands, AllReleasesLost) {
  cache_v1();
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose({.verb = Verb::kCas, .client = "W1", .nth = 0});
  EXPECT_EQ(w1_.releases(), "LOCK 2 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "bypassed");
  clock_.advance(seconds(400));
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

// Found by the model with three writers: the blind lock was sent only once, and its loss left what the lost LOCK had
// let in.
TEST_F(LostCommands, LostBlindLockAfterAllReleases) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(r1_.reads(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose({.verb = Verb::kCas, .client = "W1", .nth = 0});
  server_.lose({.verb = Verb::kSet, .client = "W1"});
  EXPECT_EQ(record(), "VALUE 1");
  EXPECT_EQ(w1_.releases(), "LOCK 2 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v2");
}

TEST_F(LostCommands, LostLock) {
  server_.lose({.verb = Verb::kAdd, .client = "W1"});
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
}

// The lock was taken, but W1 does not know that and takes another one. The first has no owner, and costs only hits.
TEST_F(LostCommands, LostReplyToALock) {
  server_.lose_reply({.verb = Verb::kGets, .client = "W1"});
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
  clock_.advance(seconds(400));
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

TEST_F(LostCommands, LostReplyToARelease) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose_reply({.verb = Verb::kGets, .client = "W1"});
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
}

// The release took effect, W2 locks, and only then does W1 try again.
TEST_F(LostCommands, RepeatedReleaseLeavesTheNextLock) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose_reply({.verb = Verb::kGets, .client = "W1"});
  Paused w1(server_.hold({.verb = Verb::kGets, .client = "W1", .nth = 2}), [&] { return w1_.writes_through(); });
  EXPECT_EQ(w2_.locks(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(w1.resume(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.releases(), "EMPTY 3");
}

// The release that W1 gave up and repeated is executed when W2 holds the lock.
TEST_F(LostCommands, LateRelease) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  const auto late = server_.delay({.verb = Verb::kCas, .client = "W1"});
  EXPECT_EQ(w1_.writes_through(), "VALUE 2");
  EXPECT_EQ(w2_.locks(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.commits(), "v3");
  late->release();
  EXPECT_EQ(record(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.releases(), "EMPTY 3");
}

TEST_F(LostCommands, LateFill) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  const auto late = server_.delay({.verb = Verb::kCas, .client = "R1"});
  EXPECT_EQ(r1_.fills(), "EMPTY 0");
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  late->release();
  EXPECT_EQ(record(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

TEST_F(LostCommands, LateLease) {
  const auto late = server_.delay({.verb = Verb::kAdd, .client = "R1"});
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  late->release();
  EXPECT_EQ(record(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
}

// A late lock has no owner: it keeps all others out until it expires.
TEST_F(LostCommands, LateLock) {
  const auto late = server_.delay({.verb = Verb::kAdd, .client = "W1"});
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.writes_through(), "VALUE 2");
  evict();
  late->release();
  EXPECT_EQ(record(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
  clock_.advance(seconds(64));
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

// The only blind command, arriving late: whatever it replaces, it only protects.
TEST_F(LostCommands, LateContendedLock) {
  server_.refuse({.verb = Verb::kCas, .client = "W2", .nth = 0}, "");  // lost races
  cache_v1();
  const auto late = server_.delay({.verb = Verb::kSet, .client = "W2"});
  EXPECT_EQ(w2_.locks(), "UNAVAILABLE");
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "hit v2");
  late->release();
  EXPECT_EQ(record(), "LOCK 1 held by 1 contended");
  EXPECT_EQ(r1_.reads(), "v2");
}

// Two attempts must not share a token: W2's first lock was late, so it took another one; W1's was evicted, so that W1
// sees nothing to release. Then the late one is stored, and with the same token W2 would take it for its own.
TEST_F(LostCommands, LateLockAndEviction) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  const auto late = server_.delay({.verb = Verb::kAdd, .client = "W2"});
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w1_.commits(), "v3");
  evict();
  EXPECT_EQ(w1_.releases(), "absent");
  late->release();
  EXPECT_EQ(record(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.reads(), "v3");
}

// python-ndb: W1's lock was evicted, R1 leases and reads v1, and W1's release is lost.
TEST_F(LostCommands, LostReleaseAndEviction) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  evict();
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");
  server_.lose({.verb = Verb::kCas, .client = "W1"});
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

// As with writers that go on without a lock: W1 reaches the Datastore but not memcached, where others read v1.
TEST_F(LostCommands, WriterCutOff) {
  cache_v1();
  server_.cut_off("W1");
  EXPECT_EQ(w1_.locks(), "UNAVAILABLE");  // so that there is no commit
  EXPECT_EQ(r1_.gets(), "hit v1");
  server_.let_in("W1");
  clock_.advance(seconds(1));
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(r1_.reads(), "v2");
}

TEST_F(LostCommands, WriterCutOffAfterItsLock) {
  cache_v1();
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  server_.cut_off("W1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.releases(), "LOCK 1 held by 1");
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.writes(), "LOCK 3 held by 1");
  EXPECT_EQ(r1_.reads(), "v3");
}

// The limit of any protocol whose locks are only in memcached: the lock is lost *and* its writer is cut off. The
// writer's own floor, and the time-out of the value, bound the damage.
TEST_F(LostCommands, KnownLimitWriterCutOffAndEviction) {
  promised_ = {.p1 = false, .p2 = false, .p3 = false};
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  server_.cut_off("W1");
  evict();
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "VALUE 2");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(w1_.releases(), "VALUE 2");
  EXPECT_EQ(r1_.gets(), "hit v2");  // and v3 was acknowledged
  EXPECT_EQ(r2_.gets(3), "leased");
  EXPECT_EQ(record(), "EMPTY 3");
}

}  // namespace
}  // namespace ndb::memcache
