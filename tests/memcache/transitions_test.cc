#include "memcache/protocol/transitions.h"

#include <gtest/gtest.h>

#include "memcache/protocol/sequences.h"

namespace ndb::memcache {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
constexpr std::uint32_t kUnix = 1'700'000'000;
constexpr Holder kMe{1, kUnix + 60}, kOther{2, kUnix + 60}, kLate{3, kUnix - 299}, kDead{4, kUnix - 301};

Record empty(std::uint64_t min, std::uint64_t token = 0) {
  return {.state = State::kEmpty, .version = min, .token = token};
}
Record value(std::uint64_t version, std::uint32_t expiry = 0) {
  return {.state = State::kValue, .version = version, .expiry = expiry, .payload = "old"};
}
Record neg(std::uint64_t version, std::uint32_t expiry = 0) {
  return {.state = State::kNeg, .version = version, .expiry = expiry};
}
Record cached(std::uint64_t min, std::uint64_t token = 9) {
  return {.state = State::kCached, .version = min, .token = token, .payload = "old"};
}
Record lock(std::vector<Holder> holders, std::uint64_t min, std::uint32_t contended_until = 0) {
  return {.state = State::kLock, .version = min, .holders = std::move(holders), .contended_until = contended_until};
}
constexpr std::uint32_t kContended = kUnix + 390;

Seen seen(Record record) { return {.what = Seen::kRecord, .record = std::move(record), .unique = {1, 1}}; }
const Seen kAbsent{.what = Seen::kAbsent};
const Seen kForeign{.what = Seen::kForeign, .unique = {1, 1}};
const Seen kFailed{.what = Seen::kFailed};

// A step as text: what is done, the state, version or min, holders, contention.
std::string text(const Step& step) {
  static constexpr const char* kDo[] = {"done", "read", "add", "cas", "set"};
  static constexpr const char* kState[] = {"", "EMPTY", "LOCK", "VALUE", "NEG", "CACHED"};
  std::string out = kDo[step.what];
  if (step.what == Step::kDone || step.what == Step::kRead) return out;
  out += std::string(" ") + kState[static_cast<int>(step.record.state)] + " " + std::to_string(step.record.version);
  for (const Holder& holder : step.record.holders) out += " h" + std::to_string(holder.token);
  if (step.record.contended_until != 0) out += " contended";
  return out;
}

struct Case {
  Seen seen;
  std::string expected;
};

void expect_steps(const std::vector<Case>& cases, const std::function<Step(const Seen&)>& step) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Step taken = step(cases[i].seen);
    EXPECT_EQ(text(taken), cases[i].expected) << "case " << i;
    // Only a LOCK is stored in the memory that is never evicted, and never for longer than that guarantee lasts.
    if (taken.what == Step::kDone || taken.what == Step::kRead) continue;
    if (taken.record.state == State::kLock) {
      EXPECT_GT(taken.ttl, seconds(0)) << "case " << i;
      EXPECT_LE(taken.ttl, kLongestLock) << "case " << i;
    } else {
      EXPECT_TRUE(taken.ttl == seconds(0) || taken.ttl > seconds(400)) << "case " << i;
    }
  }
}

TEST(Transitions, AReaderLeasesWhatIsAbsentStaleOrExpired) {
  expect_steps(
      {
          {kAbsent, "add EMPTY 5"},
          {kForeign, "done"},
          {kFailed, "done"},
          {seen(empty(0)), "done"},
          {seen(cached(0)), "done"},
          {seen(lock({kOther}, 0)), "done"},
          {seen(lock({}, 0, kContended)), "done"},
          {seen(value(5)), "done"},
          {seen(value(4)), "cas EMPTY 5"},
          {seen(neg(4)), "cas EMPTY 5"},
          {seen(value(6, kUnix + 1)), "done"},
          {seen(value(6, kUnix)), "cas EMPTY 6"},
          {seen(neg(6, kUnix - 1)), "cas EMPTY 6"},
      },
      [](const Seen& s) { return read_step(s, {.floor = 5}, kNow); });
}

TEST(Transitions, AReaderWithoutALeaseOnlyTakesDownWhatIsStale) {
  expect_steps({{kAbsent, "done"}, {seen(value(6, kUnix)), "done"}, {seen(value(4)), "cas EMPTY 5"}},
               [](const Seen& s) { return read_step(s, {.floor = 5, .lease = false}, kNow); });
  expect_steps({{kAbsent, "done"}, {seen(value(4)), "done"}, {seen(cached(0)), "done"}},
               [](const Seen& s) { return read_step(s, {.floor = 5, .cached_only = true}, kNow); });
}

TEST(Transitions, AFillIsNoOlderThanTheRecordAllows) {
  const auto step = [](std::uint64_t min, std::uint64_t version, bool found, seconds timeout) {
    return fill_step(min, version, kNow, found ? std::optional<std::string_view>("x") : std::nullopt, timeout, kNow);
  };
  EXPECT_FALSE(step(5, 4, true, seconds(0)));
  EXPECT_FALSE(step(0, 0, true, seconds(0)));
  EXPECT_EQ(text(*step(5, 5, true, seconds(0))), "cas VALUE 5");
  EXPECT_EQ(text(*step(5, 6, false, seconds(0))), "cas NEG 6");

  struct Timeout {
    bool found;
    seconds timeout;
    std::uint32_t expiry;
  };
  for (const auto& [found, timeout, expiry] : std::initializer_list<Timeout>{
           {true, seconds(0), 0},
           {true, seconds(30), kUnix + 30},
           {true, std::chrono::days(365), kUnix + 365 * 86400},
           {true, seconds(1LL << 33), 0},
           {false, seconds(0), kUnix + 600},
           {false, seconds(30), kUnix + 30},
           {false, std::chrono::days(1), kUnix + 600},
       }) {
    const Step taken = *step(0, 1, found, timeout);
    EXPECT_EQ(taken.record.expiry, expiry);
    EXPECT_EQ(taken.ttl, expiry == 0 ? seconds(0) : seconds(expiry - kUnix) + kBeyondTemporary);
  }
}

TEST(Transitions, AWriterJoinsWhateverIsThere) {
  std::vector<Holder> crowd;
  for (std::uint64_t i = 0; i < kMostHolders; ++i) crowd.push_back({100 + i, kUnix + 60});
  expect_steps(
      {
          {kAbsent, "add LOCK 0 h1"},
          {kFailed, "add LOCK 0 h1"},
          {kForeign, "cas LOCK 0 h1 contended"},
          {seen(empty(5)), "cas LOCK 5 h1"},
          {seen(value(5)), "cas LOCK 5 h1"},
          {seen(neg(5)), "cas LOCK 5 h1"},
          {seen(cached(5)), "cas LOCK 5 h1"},
          {seen(lock({kOther}, 5)), "cas LOCK 5 h2 h1"},
          {seen(lock({kLate}, 5)), "cas LOCK 5 h3 h1"},
          {seen(lock({kDead, kOther}, 5)), "cas LOCK 5 h2 h1"},
          {seen(lock({kDead}, 5)), "cas LOCK 5 h1"},
          {seen(lock({}, 5, kContended)), "cas LOCK 5 h1 contended"},
          {seen(lock({}, 5, kUnix - 301)), "cas LOCK 5 h1"},
          {seen(lock({kOther, kMe}, 5)), "done"},
          {seen(lock({{1, kUnix + 59}}, 5)), "cas LOCK 5 h1"},  // its own, prolonged
          {seen(lock(crowd, 5)), "cas LOCK 5 h1 contended"},
      },
      [](const Seen& s) { return lock_step(s, kMe, kNow); });
}

TEST(Transitions, ALockIsStoredForAsLongAsAllItsHoldersNeed) {
  EXPECT_EQ(lock_step(kAbsent, kMe, kNow).ttl, seconds(62));
  EXPECT_EQ(lock_step(seen(empty(1)), kMe, kNow).ttl, seconds(62));
  EXPECT_EQ(lock_step(seen(lock({kDead}, 1)), kMe, kNow).ttl, seconds(62));
  EXPECT_EQ(lock_step(seen(lock({kOther}, 1)), kMe, kNow).ttl, kLongestLock);
  EXPECT_EQ(lock_step(seen(lock({}, 1, kContended)), kMe, kNow).ttl, kLongestLock);
}

TEST(Transitions, AKnownCommitLeavesNothingOlderBehind) {
  expect_steps(
      {
          {kAbsent, "done"},
          {kFailed, "read"},
          {kForeign, "cas LOCK 7 contended"},
          {seen(lock({kMe}, 5)), "cas EMPTY 7"},
          {seen(lock({kMe}, 9)), "cas EMPTY 9"},
          {seen(lock({kMe, kDead}, 5)), "cas EMPTY 7"},
          {seen(lock({kMe, kOther}, 5)), "cas LOCK 7 h2"},
          {seen(lock({kMe, kOther}, 9)), "cas LOCK 9 h2"},
          {seen(lock({kMe}, 5, kContended)), "cas LOCK 7 contended"},
          {seen(lock({kOther}, 5)), "cas LOCK 7 h2"},
          {seen(lock({kOther}, 7)), "done"},
          {seen(lock({}, 5, kContended)), "cas LOCK 7 contended"},
          {seen(empty(6)), "cas EMPTY 7"},
          {seen(empty(7)), "done"},
          {seen(value(6)), "cas EMPTY 7"},
          {seen(value(7)), "done"},
          {seen(neg(6)), "cas EMPTY 7"},
          {seen(neg(8)), "done"},
          {seen(cached(6)), "cas EMPTY 7"},
      },
      [](const Seen& s) { return release_step(s, {.token = 1, .version = 7}, kNow); });
}

TEST(Transitions, OnlyTheLastHolderWritesThrough) {
  expect_steps(
      {
          {seen(lock({kMe}, 7)), "cas VALUE 7"},
          {seen(lock({kMe, kDead}, 5)), "cas VALUE 7"},
          {seen(lock({kMe}, 8)), "cas EMPTY 8"},
          {seen(lock({kMe, kOther}, 5)), "cas LOCK 7 h2"},
          {seen(lock({kMe, kLate}, 5)), "cas LOCK 7 h3"},
          {seen(lock({kMe}, 5, kContended)), "cas LOCK 7 contended"},
          {seen(empty(5)), "cas EMPTY 7"},
          {seen(value(5)), "cas EMPTY 7"},
          {kAbsent, "done"},
      },
      [](const Seen& s) { return release_step(s, {.token = 1, .version = 7, .payload = "new"}, kNow); });
}

TEST(Transitions, AFailedCommitOnlyLeaves) {
  expect_steps(
      {
          {kAbsent, "done"},
          {kForeign, "done"},
          {seen(lock({kMe}, 5)), "cas EMPTY 5"},
          {seen(lock({kMe, kOther}, 5)), "cas LOCK 5 h2"},
          {seen(lock({kOther}, 5)), "done"},
          {seen(empty(0)), "done"},
          {seen(value(5)), "done"},
      },
      [](const Seen& s) { return release_step(s, {.token = 1}, kNow); });
}

TEST(Transitions, LostRacesEndInAContendedLock) {
  expect_steps(
      {
          {kAbsent, "set LOCK 3 h1 contended"},
          {seen(value(5)), "set LOCK 3 h1 contended"},
          {seen(lock({kOther}, 5)), "set LOCK 3 h1 contended"},
          {seen(lock({kMe}, 5)), "done"},
          {seen(lock({}, 5, kContended)), "done"},
          {seen(lock({kMe}, 2)), "set LOCK 3 h1 contended"},
          {seen(lock({}, 2, kContended)), "set LOCK 3 h1 contended"},
      },
      [](const Seen& s) { return contend_step(s, kMe, 3, kNow); });
  EXPECT_EQ(text(contend_step(kAbsent, {}, 3, kNow)), "set LOCK 3 contended");
  // A commit of unknown outcome must stay for longer than it first joined for.
  EXPECT_EQ(text(contend_step(seen(lock({kMe}, 5)), {kMe.token, kMe.deadline + 1}, 5, kNow)),
            "set LOCK 5 h1 contended");
}

TEST(Transitions, InvalidationLeavesNothingServed) {
  expect_steps(
      {
          {kAbsent, "done"},
          {kFailed, "read"},
          {kForeign, "cas LOCK 0 contended"},
          {seen(value(5)), "cas EMPTY 5"},
          {seen(neg(5)), "cas EMPTY 5"},
          {seen(cached(5)), "cas EMPTY 5"},
          {seen(empty(5, 8)), "cas EMPTY 5"},
          {seen(empty(5, 9)), "done"},
          {seen(lock({kOther}, 5)), "cas LOCK 5 h2 contended"},
          {seen(lock({kOther}, 5, kContended)), "done"},
      },
      [](const Seen& s) { return invalidate_step(s, 9, kNow); });
}

TEST(Transitions, CachedEntitiesYieldToWriters) {
  expect_steps(
      {
          {kAbsent, "add CACHED 0"},
          {kFailed, "read"},
          {kForeign, "cas LOCK 0 contended"},
          {seen(lock({kOther}, 5)), "done"},
          {seen(empty(5)), "cas CACHED 5"},
          {seen(value(5)), "cas CACHED 5"},
          {seen(neg(5)), "cas CACHED 5"},
          {seen(cached(5, 8)), "cas CACHED 5"},
          {seen(cached(5, 9)), "done"},
      },
      [](const Seen& s) { return put_cached_step(s, "new", seconds(30), 9, kNow); });
  expect_steps({{kAbsent, "done"}, {seen(value(5)), "done"}, {seen(cached(5)), "cas EMPTY 5"}, {kFailed, "read"}},
               [](const Seen& s) { return delete_cached_step(s); });
}

// A record has 32 unsigned bits for the time until which it is served; they end in 2106.
TEST(Transitions, TimeoutsOfEveryLengthHaveAnEnd) {
  constexpr std::int64_t k2030 = 1'893'456'000, kMax = 0xFFFF'FFFF;
  using Row = std::pair<std::int64_t, std::int64_t>;
  for (const auto& [timeout, expiry] : {Row{0, 0},
                                        {-1, 0},
                                        {std::numeric_limits<std::int64_t>::min(), 0},
                                        {60, k2030 + 60},
                                        {10L * 366 * 86400, k2030 + 10L * 366 * 86400},  // in 2040
                                        {kMax - k2030 - 1, kMax - 1},
                                        {kMax - k2030, 0},
                                        {1'000'000'000'000, 0},
                                        {std::numeric_limits<std::int64_t>::max(), 0}}) {
    EXPECT_EQ(expiry_after(WallTime(seconds(k2030)), seconds(timeout)), expiry) << timeout;
  }
  EXPECT_EQ(expiry_after(WallTime(seconds(kMax)), seconds(1)), 0u);
  EXPECT_EQ(expiry_after(WallTime(seconds(kMax + 1000)), seconds(60)), 0u);
}

// A read in the last round could find something stale with no round left to replace it.
TEST(Sequences, TheLastRoundOfAReleaseIsBlind) {
  const auto next = [](const Seen& s, CommitOutcome outcome, int round) {
    const Release release{.token = 1, .version = outcome == CommitOutcome::kApplied ? 7U : 0U};
    return text(release_next(s, release, outcome, round, kNow, kNow));
  };
  EXPECT_EQ(next(kFailed, CommitOutcome::kApplied, kRaces - 1), "read");
  EXPECT_EQ(next(kFailed, CommitOutcome::kApplied, kRaces), "set LOCK 7 contended");
  EXPECT_EQ(next(seen(value(5)), CommitOutcome::kApplied, kRaces), "set LOCK 7 contended");
  EXPECT_EQ(next(seen(value(7)), CommitOutcome::kApplied, kRaces), "done");
  EXPECT_EQ(next(seen(lock({}, 5, kContended)), CommitOutcome::kApplied, kRaces), "set LOCK 7 contended");
  EXPECT_EQ(next(seen(lock({}, 7, kContended)), CommitOutcome::kApplied, kRaces), "done");
  EXPECT_EQ(next(kFailed, CommitOutcome::kFailed, kRaces), "read");
  EXPECT_EQ(next(kFailed, CommitOutcome::kUnknown, kRaces), "set LOCK 0 h1 contended");
}

}  // namespace
}  // namespace ndb::memcache
