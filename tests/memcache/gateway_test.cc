// What each operation of the gateway does, against a real memcached.

#include <thread>

#include "gateway_fixture.h"
#include "memcache/protocol/transitions.h"

namespace ndb::memcache {
namespace {

using std::chrono::seconds;
using ::testing::Each;
using ::testing::HasSubstr;

TEST_F(GatewayTest, AMissIsLeasedFilledAndServed) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  const ReadResult miss = read(*gateway, key);
  EXPECT_EQ(miss.outcome, ReadOutcome::kMiss);
  ASSERT_NE(miss.lease, nullptr);
  EXPECT_EQ(record(key), "EMPTY 0");

  const WallTime read_time{std::chrono::microseconds(1'700'000'000'000'001)};
  const Fill fill{.lease = miss.lease, .version = 7, .read_time = read_time, .payload = "entity"};
  gateway->fill({&fill, 1});
  const ReadResult hit = read(*gateway, key);
  EXPECT_EQ(hit.outcome, ReadOutcome::kHit);
  EXPECT_EQ(hit.payload, "entity");
  EXPECT_EQ(hit.version, 7u);
  EXPECT_EQ(hit.read_time, read_time);
  EXPECT_EQ(hit.lease, nullptr);
  EXPECT_EQ(ttl(key), -1);
}

TEST_F(GatewayTest, AbsenceIsCachedForAWhile) {
  const auto gateway = make_gateway();
  const Key key = make_key("nobody");
  fill(*gateway, read(*gateway, key).lease, 7, std::nullopt, std::chrono::hours(1));
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kAbsent);
  EXPECT_EQ(read(*gateway, key).version, 7u);
  clock_.advance(seconds(599));
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kAbsent);
  clock_.advance(seconds(2));
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kMiss);
}

TEST_F(GatewayTest, TimeoutsAreKeptByReadersAndOutliveNothingInMemcached) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  fill(*gateway, read(*gateway, key).lease, 7, "entity", seconds(30));
  EXPECT_GT(ttl(key), 400);
  clock_.advance(seconds(29));
  EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kHit);
  clock_.advance(seconds(2));
  const ReadResult expired = read(*gateway, key);
  EXPECT_EQ(expired.outcome, ReadOutcome::kMiss);
  ASSERT_NE(expired.lease, nullptr);
  EXPECT_EQ(record(key), "EMPTY 7");
  EXPECT_GT(ttl(key), 400);
  fill(*gateway, expired.lease, 6, "older");
  EXPECT_EQ(record(key), "EMPTY 7");
  fill(*gateway, expired.lease, 7, "same", std::chrono::days(40));  // a date for memcached
  EXPECT_EQ(record(key), "VALUE 7");
  EXPECT_GT(ttl(key), 40 * 86400);
}

TEST_F(GatewayTest, ARecordBelowTheFloorIsTakenDown) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  cache(*gateway, key, 7, "entity");
  EXPECT_EQ(read(*gateway, key, 7).outcome, ReadOutcome::kHit);
  const ReadResult stale = read(*gateway, key, 8);
  EXPECT_EQ(stale.outcome, ReadOutcome::kMiss);
  EXPECT_EQ(gateway->stats().refused_as_stale, 1u);
  EXPECT_EQ(record(key), "EMPTY 8");
  fill(*gateway, stale.lease, 7, "older");
  EXPECT_EQ(record(key), "EMPTY 8");
  fill(*gateway, stale.lease, 8, "newer");
  EXPECT_EQ(read(*gateway, key, 8).payload, "newer");
}

TEST_F(GatewayTest, ReadersWithoutALeaseChangeNothing) {
  const auto gateway = make_gateway();
  const ReadRequest request{.key = make_key("ada"), .lease = false};
  const ReadResult result = std::move(gateway->read({&request, 1})[0]);
  EXPECT_EQ(result.outcome, ReadOutcome::kMiss);
  EXPECT_EQ(result.lease, nullptr);
  EXPECT_EQ(record(request.key), "absent");
  EXPECT_EQ(gateway->stats().round_trips, 1u);
}

TEST_F(GatewayTest, CompressionAndSizeLimits) {
  Config small = config({server_.address()});
  small.max_item_size = 64 * 1024;
  const auto gateway = make_gateway(small);
  const Key key = make_key("big"), huge = make_key("huge");
  cache(*gateway, key, 7, std::string(200'000, 'x'));  // fits once compressed
  EXPECT_EQ(read(*gateway, key).payload, std::string(200'000, 'x'));

  std::string noise;
  for (std::uint64_t i = 0, x = 1; i < 10'000; ++i) append_le(noise, x = x * 6364136223846793005 + 1442695040888963407);
  cache(*gateway, huge, 7, noise);
  EXPECT_EQ(record(huge), "EMPTY 0");
  unlock(*gateway, huge, *lock(*gateway, huge), CommitOutcome::kApplied, 8, noise);
  EXPECT_EQ(record(huge), "EMPTY 8");
  EXPECT_EQ(gateway->put_cached(huge, noise, seconds(0)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GatewayTest, LongKeysAreHashedAndChecked) {
  const auto gateway = make_gateway();
  const Key a = make_key(std::string(1500, 'a')), b = make_key(std::string(1499, 'a') + 'b');
  cache(*gateway, a, 7, "a");
  cache(*gateway, b, 8, "b");
  EXPECT_EQ(read(*gateway, a).payload, "a");
  EXPECT_EQ(read(*gateway, b).payload, "b");
}

// What a whole write does to each state in which it may find the record.
TEST_F(GatewayTest, WritesFromEveryState) {
  const auto gateway = make_gateway();
  const auto unix_now = unix_seconds(clock_.now());
  const Record kEmptyRecord{.state = State::kEmpty, .version = 5, .token = 1};
  const Record kValueRecord{.state = State::kValue, .version = 5, .payload = "old"};
  const Record kNegRecord{.state = State::kNeg, .version = 5};
  const Record kCachedRecord{.state = State::kCached, .version = 5, .token = 1, .payload = "old"};
  const Record kForeignLock{.state = State::kLock, .version = 5, .holders = {{1, unix_now + 60}}};
  const Record kDeadLock{.state = State::kLock, .version = 5, .holders = {{1, unix_now - 400}}};
  const Record kContendedLock{.state = State::kLock, .version = 5, .contended_until = unix_now + 60};
  struct Case {
    std::optional<Record> before;
    std::string locked, applied, through, failed, unknown;
    std::uint64_t round_trips;
  };
  const std::vector<Case> cases = {
      {std::nullopt, "LOCK 0 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 0", "LOCK 0 held by 1", 2},
      {kEmptyRecord, "LOCK 5 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 5", "LOCK 5 held by 1", 3},
      {kValueRecord, "LOCK 5 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 5", "LOCK 5 held by 1", 3},
      {kNegRecord, "LOCK 5 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 5", "LOCK 5 held by 1", 3},
      {kCachedRecord, "LOCK 5 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 5", "LOCK 5 held by 1", 3},
      {kForeignLock, "LOCK 5 held by 2", "LOCK 7 held by 1", "LOCK 7 held by 1", "LOCK 5 held by 1", "LOCK 5 held by 2",
       3},
      {kDeadLock, "LOCK 5 held by 1", "EMPTY 7", "VALUE 7", "EMPTY 5", "LOCK 5 held by 1", 3},
      {kContendedLock, "LOCK 5 held by 1 contended", "LOCK 7 held by 0 contended", "LOCK 7 held by 0 contended",
       "LOCK 5 held by 0 contended", "LOCK 5 held by 1 contended", 3},
  };
  int number = 0;
  for (const Case& c : cases) {
    const auto write = [&](CommitOutcome outcome, std::optional<std::string_view> payload,
                           const std::string& expected) {
      const Key key = make_key(cat("write", number++));
      SCOPED_TRACE(cat("case ", &c - cases.data(), ", expected ", expected));
      if (c.before) plant(key, *c.before);
      const std::uint64_t before = gateway->stats().round_trips;
      const auto held = lock(*gateway, key);
      ASSERT_TRUE(held.ok());
      EXPECT_EQ(record(key), c.locked);
      EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kBypass);
      unlock(*gateway, key, *held, outcome, outcome == CommitOutcome::kApplied ? 7 : 0, payload);
      EXPECT_EQ(record(key), expected);
      EXPECT_EQ(gateway->stats().round_trips - before - 1, c.round_trips);  // one for the read in between
    };
    write(CommitOutcome::kApplied, std::nullopt, c.applied);
    write(CommitOutcome::kApplied, "new", c.through);
    write(CommitOutcome::kFailed, std::nullopt, c.failed);
    write(CommitOutcome::kUnknown, std::nullopt, c.unknown);
  }
}

TEST_F(GatewayTest, AnUnknownOutcomeKeepsTheLockLonger) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  unlock(*gateway, key, *lock(*gateway, key), CommitOutcome::kUnknown);
  const auto kept = fetch(server_, key);
  ASSERT_TRUE(kept && kept->holders.size() == 1);
  EXPECT_GE(kept->holders[0].deadline, unix_seconds(clock_.now()) + 330);
  EXPECT_GT(ttl(key), 325);
  EXPECT_LE(ttl(key), 390);
  // So does a success whose version is unknown.
  const Key other = make_key("bob");
  unlock(*gateway, other, *lock(*gateway, other), CommitOutcome::kApplied, 0);
  EXPECT_EQ(record(other), "LOCK 0 held by 1");
  // A lock that was lost is taken again.
  const Key lost = make_key("lost");
  const auto held = lock(*gateway, lost);
  server_.command("flush_all");
  unlock(*gateway, lost, *held, CommitOutcome::kUnknown);
  EXPECT_EQ(record(lost), "LOCK 0 held by 1");
}

TEST_F(GatewayTest, AWriteWithoutALockStillTakesDownWhatIsOlder) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada"), absent = make_key("bob");
  fill(*gateway, read(*gateway, key).lease, 5, std::nullopt);
  unlock(*gateway, key, nullptr, CommitOutcome::kApplied, 7);
  EXPECT_EQ(record(key), "EMPTY 7");
  unlock(*gateway, absent, nullptr, CommitOutcome::kApplied, 7);
  unlock(*gateway, absent, nullptr, CommitOutcome::kUnknown);
  EXPECT_EQ(record(absent), "absent");
}

TEST_F(GatewayTest, ALockIsHeldForItsTimeOnTheClock) {
  const auto gateway = make_gateway();
  const Key key = make_key("ada");
  const auto held = lock(*gateway, key, seconds(60));
  EXPECT_GT(ttl(key), 59);
  EXPECT_LE(ttl(key), 65);
  EXPECT_TRUE(gateway->still_held(**held, seconds(59)));
  EXPECT_FALSE(gateway->still_held(**held, seconds(60)));
  clock_.advance(seconds(50));
  EXPECT_TRUE(gateway->still_held(**held, seconds(9)));
  EXPECT_FALSE(gateway->still_held(**held, seconds(10)));
  for (const seconds bad : {seconds(0), seconds(-1), seconds(400)}) {
    EXPECT_EQ(lock(*gateway, key, bad).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(GatewayTest, InvalidateTakesDownEverythingServed) {
  const auto gateway = make_gateway();
  const std::vector<Key> keys = {make_key("absent"), make_key("value"),  make_key("neg"),
                                 make_key("empty"),  make_key("cached"), make_key("locked")};
  cache(*gateway, keys[1], 5, "x");
  fill(*gateway, read(*gateway, keys[2]).lease, 5, std::nullopt);
  const LeasePtr lease = read(*gateway, keys[3]).lease;
  ASSERT_TRUE(gateway->put_cached(keys[4], "x", seconds(0)).ok());
  const auto held = lock(*gateway, keys[5]);
  const std::uint64_t before = gateway->stats().round_trips;
  ASSERT_TRUE(gateway->invalidate(keys).ok());
  EXPECT_EQ(gateway->stats().round_trips - before, 2u);
  EXPECT_EQ(record(keys[0]), "absent");
  EXPECT_EQ(record(keys[1]), "EMPTY 5");
  EXPECT_EQ(record(keys[2]), "EMPTY 5");
  EXPECT_EQ(record(keys[3]), "EMPTY 0");
  EXPECT_EQ(record(keys[4]), "EMPTY 0");
  EXPECT_EQ(record(keys[5]), "LOCK 0 held by 1 contended");
  fill(*gateway, lease, 5, "read before");
  EXPECT_EQ(record(keys[3]), "EMPTY 0");
  unlock(*gateway, keys[5], *held, CommitOutcome::kApplied, 7, "may be older");
  EXPECT_EQ(record(keys[5]), "LOCK 7 held by 0 contended");
}

TEST_F(GatewayTest, CachedEntitiesAreServedToThoseWhoAskForThem) {
  const auto gateway = make_gateway();
  const Key key = make_key("session");
  const auto cached = [&] {
    const ReadRequest request{.key = key, .cached_only = true};
    return std::move(gateway->read({&request, 1})[0]);
  };
  EXPECT_EQ(cached().outcome, ReadOutcome::kMiss);
  EXPECT_EQ(cached().lease, nullptr);
  ASSERT_TRUE(gateway->put_cached(key, "one", seconds(30)).ok());
  EXPECT_EQ(cached().payload, "one");
  ASSERT_TRUE(gateway->put_cached(key, "two", seconds(30)).ok());
  EXPECT_EQ(cached().payload, "two");
  clock_.advance(seconds(31));
  EXPECT_EQ(cached().outcome, ReadOutcome::kMiss);
  ASSERT_TRUE(gateway->put_cached(key, "three", seconds(0)).ok());
  EXPECT_EQ(record(key), "CACHED 0");
  ASSERT_TRUE(gateway->delete_cached(key).ok());
  EXPECT_EQ(record(key), "EMPTY 0");
  EXPECT_EQ(cached().outcome, ReadOutcome::kMiss);

  // To a reader of the Datastore the record is EMPTY, and a writer's lock prevents it.
  ASSERT_TRUE(gateway->put_cached(key, "four", seconds(0)).ok());
  const ReadResult miss = read(*gateway, key);
  EXPECT_EQ(miss.outcome, ReadOutcome::kMiss);
  fill(*gateway, miss.lease, 7, "entity");
  EXPECT_EQ(record(key), "VALUE 7");
  EXPECT_EQ(cached().outcome, ReadOutcome::kMiss);
  const auto held = lock(*gateway, key);
  EXPECT_EQ(gateway->put_cached(key, "five", seconds(0)).code(), absl::StatusCode::kUnavailable);
  unlock(*gateway, key, *held, CommitOutcome::kApplied, 8);
  ASSERT_TRUE(gateway->put_cached(key, "six", seconds(0)).ok());
  EXPECT_EQ(record(key), "CACHED 8");
}

TEST_F(GatewayTest, RoundTripsDoNotGrowWithTheBatch) {
  const auto gateway = make_gateway();
  std::vector<Key> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(make_key(cat("k", i)));
  std::vector<ReadRequest> requests;
  for (const Key& key : keys) requests.push_back({.key = key});
  auto trips = [&, last = std::uint64_t{0}]() mutable {
    const std::uint64_t now = gateway->stats().round_trips;
    return now - std::exchange(last, now);
  };

  const std::vector<ReadResult> misses = gateway->read(requests);
  EXPECT_EQ(trips(), 2u);
  std::vector<Fill> fills;
  for (const ReadResult& miss : misses) fills.push_back({.lease = miss.lease, .version = 1, .payload = "entity"});
  gateway->fill(fills);
  EXPECT_EQ(trips(), 0u);

  const std::int64_t gets = server_.stat("cmd_get");
  for (const ReadResult& hit : gateway->read(requests)) EXPECT_EQ(hit.outcome, ReadOutcome::kHit);
  EXPECT_EQ(trips(), 1u);
  EXPECT_EQ(server_.stat("cmd_get") - gets, 1000);
  EXPECT_EQ(server_.stat("cmd_set"), 2 * 1000);  // the leases and the fills

  const auto locks = lock(*gateway, keys, seconds(60));
  EXPECT_EQ(trips(), 2u);
  std::vector<Unlock> unlocks;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    unlocks.push_back({.lock = *locks[i], .key = keys[i], .outcome = CommitOutcome::kApplied, .version = 2});
  }
  gateway->unlock(unlocks);
  EXPECT_EQ(trips(), 1u);
  EXPECT_EQ(server_.stat("cas_badval"), 0);
  EXPECT_EQ(record(keys[999]), "EMPTY 2");
  EXPECT_EQ(gateway->stats().errors, 0u);
}

TEST_F(GatewayTest, TheSameKeyTwiceInABatch) {
  const auto gateway = make_gateway();
  const std::vector<Key> keys = {make_key("ada"), make_key("bob"), make_key("ada")};
  const auto locks = lock(*gateway, keys, seconds(60));
  std::vector<Unlock> unlocks;
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(locks[i].ok());
    unlocks.push_back({.lock = *locks[i], .key = keys[i], .outcome = CommitOutcome::kApplied, .version = 5 + i});
  }
  EXPECT_EQ(record(keys[0]), "LOCK 0 held by 2");
  gateway->unlock(unlocks);
  EXPECT_EQ(record(keys[0]), "EMPTY 7");
  std::vector<ReadRequest> requests;
  for (const Key& key : keys) requests.push_back({.key = key});
  for (const ReadResult& result : gateway->read(requests)) EXPECT_NE(result.lease, nullptr);
}

TEST_F(GatewayTest, EmptyBatches) {
  const auto gateway = make_gateway();
  EXPECT_TRUE(gateway->read({}).empty());
  EXPECT_TRUE(gateway->lock({}, seconds(1)).empty());
  gateway->fill({});
  gateway->unlock({});
  EXPECT_TRUE(gateway->invalidate({}).ok());
  EXPECT_TRUE(raw_get(*gateway, {}).empty());
  EXPECT_TRUE(gateway->reset_tags({}, seconds(0)).ok());
  EXPECT_EQ(gateway->stats().round_trips, 0u);
}

TEST_F(GatewayTest, KeysAreSpreadOverServersInOneRoundTrip) {
  testing::MemcachedServer second;
  const auto gateway = make_gateway(config({server_.address(), second.address()}));
  // A key has the same home whatever the order of the list.
  const auto reversed = make_gateway(config({second.address(), server_.address()}));
  std::vector<ReadRequest> requests;
  for (int i = 0; i < 200; ++i) requests.push_back({.key = make_key(cat("k", i))});
  std::vector<Fill> fills;
  for (const ReadResult& miss : gateway->read(requests)) {
    fills.push_back({.lease = miss.lease, .version = 1 + fills.size(), .payload = "entity"});
  }
  EXPECT_EQ(gateway->stats().round_trips, 2u);
  gateway->fill(fills);
  gateway->read(requests);  // whose answers come after the fills
  std::uint64_t version = 0;
  for (const ReadResult& hit : reversed->read(requests)) {
    EXPECT_EQ(hit.outcome, ReadOutcome::kHit);
    EXPECT_EQ(hit.version, ++version);
  }
  EXPECT_GT(server_.stat("curr_items"), 40);
  EXPECT_GT(second.stat("curr_items"), 40);
  EXPECT_EQ(server_.stat("curr_items") + second.stat("curr_items"), 200);
}

TEST_F(GatewayTest, TagsAreMadeOnceAndEndAtAReset) {
  const auto gateway = make_gateway();
  const auto other = make_gateway();
  const std::vector<std::string> names = {"a", "white space", std::string(300, 'l'), ""};
  const auto tags = [&](Gateway& of) {
    std::vector<TagRead> reads;
    for (const std::string& name : names) reads.push_back({.name = name, .timeout = seconds(3600)});
    of.read({}, reads, {});
    std::vector<std::optional<Tag>> found;
    for (const TagRead& read : reads) found.push_back(read.tag);
    return found;
  };
  const auto first = tags(*gateway);
  EXPECT_EQ(gateway->stats().round_trips, 2u);
  for (const auto& tag : first) {
    ASSERT_TRUE(tag);
    EXPECT_EQ(std::ranges::count(first, tag), 1);
  }
  EXPECT_EQ(tags(*other), first);
  EXPECT_EQ(other->stats().round_trips, 1u);
  EXPECT_TRUE(other->reset_tags(std::vector<std::string>{"a", ""}, seconds(3600)).ok());
  EXPECT_EQ(other->stats().round_trips, 2u);
  const auto second = tags(*gateway);
  EXPECT_NE(second[0], first[0]);
  EXPECT_EQ(second[1], first[1]);
  EXPECT_NE(second[3], first[3]);
  // An item that is not a tag is no answer until somebody resets it.
  server_.command("set ndbt:a 0 0 3\r\nxyz");
  EXPECT_FALSE(tags(*gateway)[0]);
  EXPECT_TRUE(gateway->reset_tags(std::vector<std::string>{"a"}, seconds(3600)).ok());
  EXPECT_TRUE(tags(*gateway)[0]);
  server_.kill();
  EXPECT_FALSE(tags(*gateway)[1]);
  const absl::Status status = gateway->reset_tags(std::vector<std::string>{"white space"}, seconds(0));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"white space\""));
  server_.restart();
}

TEST_F(GatewayTest, RecordsTagsAndRawItemsAreOneRoundTrip) {
  const auto gateway = make_gateway();
  const Key key = make_key("k");
  cache(*gateway, key, 7, "entity");
  gateway->raw_store(Gateway::RawStore::kSet, "r", "raw", seconds(0));
  std::vector<TagRead> tags = {{.name = "t"}};
  std::vector<RawRead> raw = {{.key = "r"}, {.key = "none"}};
  gateway->read({}, tags, {});
  const Tag tag = tags[0].tag.value();
  const auto before = gateway->stats().round_trips;
  const ReadRequest request{.key = key};
  const std::vector<ReadResult> results = gateway->read({&request, 1}, tags, raw);
  EXPECT_EQ(gateway->stats().round_trips, before + 1);
  EXPECT_EQ(results[0].payload, "entity");
  EXPECT_EQ(tags[0].tag, tag);
  EXPECT_EQ(raw[0].item.value().value, "raw");
  EXPECT_FALSE(raw[1].item);
  EXPECT_TRUE(gateway->read({}, {}, {}).empty());
}

TEST_F(GatewayTest, AKnownVersionComesWithoutItsPayload) {
  const auto gateway = make_gateway();
  const Key key = make_key("k");
  cache(*gateway, key, 7, std::string(10'000, 'x'));  // compressed
  for (const auto& [known, unchanged] : {std::pair{7u, true}, {6u, false}, {0u, false}}) {
    const ReadRequest request{.key = key, .known = known};
    const ReadResult result = gateway->read({&request, 1}).front();
    EXPECT_EQ(result.outcome, ReadOutcome::kHit);
    EXPECT_EQ(result.version, 7u);
    EXPECT_EQ(result.unchanged, unchanged);
    EXPECT_EQ(result.payload.size(), unchanged ? 0u : 10'000u);
  }
  const ReadRequest newer{.key = key, .floor = 8, .known = 7};
  EXPECT_NE(gateway->read({&newer, 1}).front().outcome, ReadOutcome::kHit);
}

TEST(GatewayAddresses, AreParsedOrRefused) {
  const auto make = [](std::string address) { return Gateway::make({.servers = {std::move(address)}}).status(); };
  for (const char* bad :
       {"", "host:", "host:0", "host:65536", "host:11211x", ":11211", "a b:1", "::1", "[::1", "[]:1", "[::1]1"}) {
    const absl::Status status = make(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr(quoted(bad)));
  }
  EXPECT_EQ(Gateway::make({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(make("127.0.0.1:1").ok());
  EXPECT_TRUE(make("[::1]:1").ok());
  EXPECT_TRUE(make("/no/such/socket").ok());
}

}  // namespace
}  // namespace ndb::memcache
