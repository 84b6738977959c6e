// Races that result from the configuration and use of servers, and from records that a client can't read or a server
// refuses. See interleavings_test.cc.

#include "interleaving_fixture.h"

namespace ndb::memcache {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using UnfitRecords = InterleavingTest;

std::string noise(std::size_t size) {
  std::string bytes;
  for (std::uint64_t x = 1; bytes.size() < size;) append_le(bytes, x = x * 6364136223846793005 + 1442695040888963407);
  return bytes;
}

// A write-through that the server refuses leaves no old value behind, although no answer reports it. Normally the
// client's own limit is lower; the two can be configured differently.
TEST_F(UnfitRecords, RefusedWriteThrough) {
  server_.limit_items(1000);
  const auto held = lock(w1_.gateway(), key_);
  EXPECT_EQ(w1_.commits(), "v2");
  unlock(w1_.gateway(), key_, *held, CommitOutcome::kApplied, 2, noise(2000));
  EXPECT_EQ(record(), "LOCK 2 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v2");
  clock_.advance(seconds(400));
  fill(r1_.gateway(), read(r1_.gateway(), key_).lease, 2, noise(2000));
  EXPECT_EQ(record(), "EMPTY 0");
}

TEST_F(UnfitRecords, WriteThroughOverTheLimitIsNotSent) {
  Config small = config({server_.address("W3")});
  small.max_item_size = 1000;
  const auto w3 = make_gateway(small);
  const auto held = lock(*w3, key_);
  EXPECT_EQ(w1_.commits(), "v2");
  unlock(*w3, key_, *held, CommitOutcome::kApplied, 2, noise(2000));
  EXPECT_EQ(record(), "EMPTY 2");
  for (const auto& command : server_.log()) EXPECT_LT(command.value.size(), 1000u);
}

// The error line that a full server sends although no answer is wanted must not be taken for the answer to the next
// command.
TEST_F(UnfitRecords, LockWithoutMemory) {
  const std::string full = "SERVER_ERROR out of memory storing object\r\n";
  server_.refuse({.verb = Verb::kAdd, .client = "W1"}, full);
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1");  // when it tried again
  EXPECT_EQ(w1_.commits(), "v2");
  server_.refuse({.verb = Verb::kCas, .client = "W1"}, full);
  EXPECT_EQ(w1_.releases(), "EMPTY 2");
  EXPECT_EQ(r1_.reads(), "v2");
  evict();
  server_.refuse({.verb = Verb::kAdd, .client = "W2", .nth = 0}, full);
  EXPECT_EQ(w2_.locks(), "UNAVAILABLE");
  EXPECT_EQ(record(), "absent");
}

// As in nsql-cache: two entities share a memcache key, and the caller gets the other one.
TEST_F(UnfitRecords, RecordOfAnotherKey) {
  const Encoded other =
      encode({.state = State::kValue, .version = 1, .payload = "other"}, make_key("bob").bytes(), 4096);
  server_.put(name_, other.flags, other.body);
  EXPECT_EQ(r1_.gets(), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(r1_.fills(), "unreadable");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1 contended");
  EXPECT_EQ(w1_.commits(), "v2");
  EXPECT_EQ(w1_.writes_through(), "LOCK 2 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v2");
}

// As with formats that name no version: a client of a later format has locked the record. Nobody here opens it.
TEST_F(UnfitRecords, LockOfALaterFormat) {
  const std::uint32_t next_format = encode({.state = State::kLock}, key_.bytes(), 4096).flags + 0x100;
  server_.put(name_, next_format, "a lock");
  EXPECT_EQ(r1_.gets(2), "bypassed");
  EXPECT_EQ(r1_.looks_up(), "v1");
  EXPECT_EQ(w2_.commits(), "v2");  // the later client
  EXPECT_EQ(r1_.fills(), "unreadable");
  EXPECT_EQ(w1_.locks(), "LOCK 0 held by 1 contended");
  EXPECT_EQ(w1_.commits(), "v3");
  EXPECT_EQ(w1_.writes_through(), "LOCK 3 held by 0 contended");
  EXPECT_EQ(r1_.reads(), "v3");
  EXPECT_EQ(r1_.gets(), "bypassed");
}

// Two servers. Each key has one home, whatever happens.
class OneHome : public InterleavingTest {
 protected:
  OneHome() : both_(make_gateway(config({server_.address("both"), other_.address("both")}))) {
    // Makes `server_` the home of the key.
    for (int i = 0; record(key_at_home_) == "absent"; ++i) {
      key_at_home_ = make_key(cat("k", i));
      read(*both_, key_at_home_);
    }
    other_.clear_log();
  }

  ScriptedMemcached other_{clock_};
  const std::unique_ptr<Gateway> both_;
  Key key_at_home_ = make_key("k");
};

// As with clients that eject servers: W1 writes at the next server while the first, which is only cut off from it,
// still has v1.
TEST_F(OneHome, ServerIsNotEjected) {
  fill(*both_, read(*both_, key_at_home_).lease, 1, "v1");
  ASSERT_EQ(read(*both_, key_at_home_).payload, "v1");
  other_.clear_log();
  server_.cut_off("both");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(read(*both_, key_at_home_).outcome, ReadOutcome::kBypass);
    EXPECT_EQ(lock(*both_, key_at_home_).status().code(), absl::StatusCode::kUnavailable);
    clock_.advance(seconds(2));
  }
  server_.let_in("both");
  EXPECT_EQ(read(*both_, key_at_home_).payload, "v1");  // nobody could write
  EXPECT_THAT(other_.log(), IsEmpty());
}

// As with libmemcached's replicas, which get what is `set`, but not what is added or stored by cas.
TEST_F(OneHome, NoReplicas) {
  fill(*both_, read(*both_, key_at_home_).lease, 1, "v1");
  const auto held = lock(*both_, key_at_home_);
  unlock(*both_, key_at_home_, *held, CommitOutcome::kApplied, 2, "v2");
  EXPECT_EQ(record(key_at_home_), "VALUE 2");
  for (const auto& command : other_.log()) {
    EXPECT_EQ(command.keys, std::vector<std::string>{"ndbu:settle"});
  }
}

}  // namespace
}  // namespace ndb::memcache
