#include "interleaving_fixture.h"

namespace ndb::memcache {
namespace {

void raise(std::atomic<std::uint64_t>& highest, std::uint64_t to) {
  for (std::uint64_t seen = highest; seen < to && !highest.compare_exchange_weak(seen, to);) {
  }
}

}  // namespace

void InterleavingTest::TearDown() {
  const std::optional<Record> last = found(key_);
  const bool served = last && (last->state == State::kValue || last->state == State::kNeg);
  if (promised_.p2 && served) {
    EXPECT_EQ(last->version, datastore_.version) << "P2";
  }
}

std::string InterleavingTest::record(const Key& key) {
  if (!server_.item(record_name(key.bytes()))) return "absent";
  const std::optional<Record> record = found(key);
  return record ? to_text(*record) : "unreadable";
}

std::optional<Record> InterleavingTest::found(const Key& key) {
  const auto item = server_.item(record_name(key.bytes()));
  Record record;
  if (!item || parse_whole(item->flags, item->value, key.bytes(), record) != Parsed::kRecord) return std::nullopt;
  return record;
}

void InterleavingTest::cache_v1() {
  const Encoded encoded = encode({.state = State::kValue, .version = 1, .payload = "v1"}, key_.bytes(), 4096);
  server_.put(name_, encoded.flags, encoded.body);
}

std::string InterleavingTest::Actor::gets(std::uint64_t floor) {
  const std::uint64_t acknowledged = test_->datastore_.acknowledged, returned = test_->datastore_.returned;
  const ReadResult result = run([&] { return read(*gateway_, test_->key_, floor); });
  lease_ = result.lease;
  if (result.outcome == ReadOutcome::kBypass) return "bypassed";
  if (result.outcome == ReadOutcome::kMiss) return lease_ == nullptr ? "missed" : "leased";
  EXPECT_GE(result.version, test_->promised_.p1 ? acknowledged : 0) << "P1";
  EXPECT_GE(result.version, test_->promised_.p3 ? returned : 0) << "P3";
  raise(test_->datastore_.returned, result.version);
  if (result.outcome == ReadOutcome::kAbsent) return "known absent";
  EXPECT_EQ(result.payload, cat('v', result.version));
  return cat("hit ", result.payload);
}

std::string InterleavingTest::Actor::looks_up() {
  looked_up_ = test_->datastore_.version;
  raise(test_->datastore_.returned, looked_up_);
  return cat('v', looked_up_);
}

std::string InterleavingTest::Actor::looks_up_late(std::uint64_t version) {
  looked_up_ = version;
  return cat('v', looked_up_);
}

std::string InterleavingTest::Actor::fills() {
  const std::string payload = cat('v', looked_up_);
  return run([&] {
    fill(*gateway_, lease_, looked_up_, payload);
    return test_->record();
  });
}

std::string InterleavingTest::Actor::reads() {
  std::string got = gets();
  if (got.starts_with("hit")) return got;
  looks_up();
  fills();
  return cat('v', looked_up_);
}

std::string InterleavingTest::Actor::locks(std::chrono::seconds hold) {
  auto held = run([&] { return std::optional(lock(*gateway_, test_->key_, hold)); });
  if (!held->ok()) return std::string(absl::StatusCodeToString(held->status().code()));
  lock_ = **held;
  return test_->record();
}

bool InterleavingTest::Actor::is_protected() const { return gateway_->still_held(*lock_, std::chrono::seconds(1)); }

std::string InterleavingTest::Actor::commits() {
  committed_ = ++test_->datastore_.version;
  return cat('v', committed_);
}

std::string InterleavingTest::Actor::releases() {
  std::string left = leaves(CommitOutcome::kApplied, committed_);
  raise(test_->datastore_.acknowledged, committed_);
  return left;
}

std::string InterleavingTest::Actor::writes_through() {
  std::string left = leaves(CommitOutcome::kApplied, committed_, cat('v', committed_));
  raise(test_->datastore_.acknowledged, committed_);
  return left;
}

std::string InterleavingTest::Actor::fails() { return leaves(CommitOutcome::kFailed, 0); }
std::string InterleavingTest::Actor::loses_the_answer() { return leaves(CommitOutcome::kUnknown, 0); }

std::string InterleavingTest::Actor::writes() {
  locks();
  commits();
  return releases();
}

std::string InterleavingTest::Actor::leaves(CommitOutcome outcome, std::uint64_t version,
                                            std::optional<std::string_view> payload) {
  return run([&] {
    unlock(*gateway_, test_->key_, lock_, outcome, version, payload);
    return test_->record();
  });
}

}  // namespace ndb::memcache
