// Races of readers and writers without any fault: the shortest histories in which caches in front of a Datastore return
// a stale value. Each test names a library or protocol that does.

#include "interleaving_fixture.h"

namespace ndb::memcache {
namespace {

using Interleavings = InterleavingTest;

// As in goon: R1 reads v1, W1 commits v2 and deletes, R1 sets v1.
TEST_F(Interleavings, LateFill) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
  EXPECT_EQ(r1_.reads(), "v2");
  EXPECT_EQ(r2_.gets(), "hit v2");
}

TEST_F(Interleavings, FillBetweenLockAndCommit) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.fills(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w1_.writes_through(), "VALUE 2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

// As in legacy NDB's delete(): R1 found no record; its placeholder then replaces the lock that W2 has taken meanwhile.
TEST_F(Interleavings, ReaderOverwritesTheLock) {
  Paused r1(server_.hold({.verb = Verb::kAdd, .client = "R1"}), [&] { return r1_.gets(); });
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(r1.resume(), "bypassed");
  EXPECT_EQ(record(), "LOCK 0 held by 1");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

// The same with a reader that replaces a record that is too old: it must not replace the lock that was stored there
// meanwhile.
TEST_F(Interleavings, ReaderTakesDownTheLock) {
  cache_v1();
  Paused r1(server_.hold({.verb = Verb::kCas, .client = "R1"}), [&] { return r1_.gets(2); });
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(r1.resume(), "bypassed");
  EXPECT_EQ(record(), "LOCK 1 held by 1");
}

// As in Facebook's leases, Objectify: between the commit and the invalidation R2 has returned v2 and R1 returns v1.
TEST_F(Interleavings, WindowAfterTheCommit) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r2_.gets(), "bypassed");
  EXPECT_EQ(r1_.fills(), "LOCK 0 held by 1");
  EXPECT_EQ(r2_.looks_up(), "v2");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
}

TEST_F(Interleavings, WindowAfterTheCommitOfACachedEntity) {
  cache_v1();
  EXPECT_EQ(r1_.gets(), "hit v1");
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(r2_.reads(), "v2");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
}

// Objectify with spymemcached: W1 acknowledges while its invalidation is still on the way.
TEST_F(Interleavings, InvalidationIsAwaited) {
  cache_v1();
  EXPECT_EQ(w1_.locks(), "LOCK 1 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  Paused w1(server_.hold({.verb = Verb::kCas, .client = "W1"}), [&] { return w1_.releases(); });
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(datastore_.acknowledged, 1u);
  EXPECT_EQ(w1.resume(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
}

// As in nds, legacy NDB: W1's release removes the lock of W2.
TEST_F(Interleavings, ReleaseRemovesTheOtherLock) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1_.releases(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v2");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r2_.gets(), "bypassed");
  EXPECT_EQ(r1_.fills(), "LOCK 2 held by 1");
  EXPECT_EQ(r2_.looks_up(), "v3");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.writes_through(), "VALUE 3");
  EXPECT_EQ(r1_.gets(), "hit v3");
}

// As with a single-owner lock that is set blindly: W2's replaces W1's, and W2's release opens the record.
TEST_F(Interleavings, BlindLock) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(w2_.writes_through(), "LOCK 2 held by 1");
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(w1_.writes_through(), "VALUE 3");
  EXPECT_EQ(r1_.gets(), "hit v3");
}

TEST_F(Interleavings, LockAndReleaseMeet) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  Paused w2(server_.hold({.verb = Verb::kCas, .client = "W2"}), [&] { return w2_.locks(); });
  EXPECT_EQ(w1_.writes_through(), "VALUE 2");
  EXPECT_EQ(r1_.gets(), "hit v2");
  EXPECT_EQ(w2.resume(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.releases(), "EMPTY 3");
}

TEST_F(Interleavings, ReleaseAndLockMeet) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w1_.commits(), "v2");
  Paused w1(server_.hold({.verb = Verb::kCas, .client = "W1"}), [&] { return w1_.writes_through(); });
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1.resume(), "LOCK 2 held by 1");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w2_.releases(), "EMPTY 3");
}

// A writer that loses every race locks blindly, and no release opens such a record: it expires.
TEST_F(Interleavings, ContendedLock) {
  const auto race = [&](int number) { return server_.hold({.verb = Verb::kCas, .client = "W2", .nth = number}); };
  const ScriptedMemcached::RulePtr races[] = {race(1), race(2), race(3)};
  EXPECT_EQ(r1_.gets(), "leased");
  Paused w2(races[0], [&] { return w2_.locks(); });
  for (const auto& lost : races) {
    lost->wait();
    ASSERT_TRUE(w1_.gateway().invalidate({&key_, 1}).ok());
    if (lost != races[2]) lost->release();
  }
  races[2]->release();
  EXPECT_EQ(w2.resume(), "LOCK 0 held by 1 contended");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 2 contended");
  EXPECT_EQ(w2_.commits(), "v2");
  EXPECT_EQ(w2_.writes_through(), "LOCK 2 held by 1 contended");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(w1_.writes_through(), "LOCK 3 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v3");
  clock_.advance(std::chrono::seconds(400));
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(r1_.gets(), "hit v3");
}

// As in nsql-cache: W2 commits after W1 and stores before it.
TEST_F(Interleavings, WriteThroughInTheWrongOrder) {
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");
  EXPECT_EQ(w2_.locks(), "LOCK 0 held by 2");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w2_.commits(), "v3");
  EXPECT_EQ(w2_.writes_through(), "LOCK 3 held by 1");
  EXPECT_EQ(w1_.writes_through(), "EMPTY 3");
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(r1_.gets(), "hit v3");
}

// As in Objectify on Valkey: R1's fill takes the placeholder of W2 for that of W1, because they look alike.
TEST_F(Interleavings, PlaceholdersThatLookAlike) {
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v2");
  EXPECT_EQ(w2_.writes(), "EMPTY 3");
  EXPECT_EQ(r1_.fills(), "EMPTY 3");
  EXPECT_EQ(r1_.gets(), "leased");
}

// Two placeholders with the same minimum differ, too.
TEST_F(Interleavings, PlaceholdersHaveTokens) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  const auto first = found(key_);
  ASSERT_TRUE(w1_.gateway().invalidate({&key_, 1}).ok());
  EXPECT_EQ(r1_.fills(), "EMPTY 0");
  ASSERT_TRUE(first && found(key_));
  EXPECT_NE(first->token, found(key_)->token);
}

// A value from a replica that lags behind is not filled, though the lease is valid.
TEST_F(Interleavings, ReadThatIsNotStrong) {
  EXPECT_EQ(w1_.writes(), "EMPTY 2");
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up_late(1), "v1");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
}

// The same with a floor that the record does not have: the reader's own write, whose lock and release were lost.
TEST_F(Interleavings, ReadBelowTheFloor) {
  cache_v1();
  EXPECT_EQ(r1_.gets(2), "leased");
  EXPECT_EQ(record(), "EMPTY 2");
  EXPECT_EQ(r1_.looks_up_late(1), "v1");
  EXPECT_EQ(r1_.fills(), "EMPTY 2");
}

// A reader without the right to fill only reads.
TEST_F(Interleavings, ReadWithoutALease) {
  const ReadRequest request{.key = key_, .lease = false};
  EXPECT_EQ(r1_.gateway().read({&request, 1})[0].outcome, ReadOutcome::kMiss);
  EXPECT_EQ(record(), "absent");
  EXPECT_EQ(server_.log().size(), 1u);
}

TEST_F(Interleavings, TwoReadersFillOnce) {
  EXPECT_EQ(r1_.gets(), "leased");
  EXPECT_EQ(r2_.gets(), "leased");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w1_.commits(), "v2");  // by somebody without locks: R1's fill would be stale, and only that
  EXPECT_EQ(r2_.looks_up(), "v2");
  EXPECT_EQ(r2_.fills(), "VALUE 2");
  EXPECT_EQ(r1_.fills(), "VALUE 2");
  EXPECT_EQ(r1_.gets(), "hit v2");
}

}  // namespace
}  // namespace ndb::memcache
