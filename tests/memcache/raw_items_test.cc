// The user's own items: they are separate from records, and behave as in memcached.

#include <thread>

#include "gateway_fixture.h"
#include "support/scripted_memcached.h"

namespace ndb::memcache {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class RawItemsTest : public GatewayTest {
 protected:
  static std::string get(Gateway& gateway, const std::string& key) {
    const auto item = raw_get(gateway, {key})[0];
    return item ? item->value : "(none)";
  }
};

TEST_F(RawItemsTest, RawItemsLiveApart) {
  const auto gateway = make_gateway();
  const std::vector<std::string> names = {"plain", "white space", std::string(300, 'l'), "", "#hash"};
  for (const std::string& name : names)
    EXPECT_TRUE(gateway->raw_store(RawItems::RawStore::kSet, name, name + "!", seconds(0)));
  const auto items = raw_get(*gateway, names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    ASSERT_TRUE(items[i]);
    EXPECT_EQ(items[i]->value, names[i] + "!");
  }
  EXPECT_THAT(server_.command("get ndbu:plain"), HasSubstr("plain!"));

  using enum RawItems::RawStore;
  EXPECT_FALSE(gateway->raw_store(kAdd, "plain", "x", seconds(0)));
  EXPECT_FALSE(gateway->raw_store(kReplace, "new", "x", seconds(0)));
  EXPECT_TRUE(gateway->raw_store(kAdd, "new", "x", seconds(0)));
  EXPECT_TRUE(gateway->raw_store(kReplace, "new", "y", seconds(0)));
  EXPECT_TRUE(gateway->raw_delete("new"));
  EXPECT_FALSE(gateway->raw_delete("new"));
  EXPECT_FALSE(raw_get(*gateway, {"new"})[0]);
  EXPECT_EQ(gateway->stats().errors, 0u);
}

TEST_F(RawItemsTest, RawCompareAndSet) {
  const auto gateway = make_gateway();
  using enum RawItems::RawStore;
  gateway->raw_store(kSet, "k", "one", seconds(0));
  const std::vector<std::string> k = {"k"};
  const std::uint64_t token = raw_get(*gateway, k)[0]->token;
  EXPECT_FALSE(gateway->raw_cas("k", "zero", 0, seconds(0)));
  EXPECT_TRUE(gateway->raw_cas("k", "two", token, seconds(0)));
  EXPECT_FALSE(gateway->raw_cas("k", "three", token, seconds(0)));
  const std::uint64_t current = raw_get(*gateway, k)[0]->token;
  bool elsewhere = true;
  std::thread([&] { elsewhere = gateway->raw_cas("k", "four", current, seconds(0)); }).join();
  EXPECT_FALSE(elsewhere);
  server_.restart();
  raw_get(*gateway, k);  // notices
  gateway->raw_store(kSet, "k", "five", seconds(0));
  gateway->raw_store(kSet, "k", "six", seconds(0));
  EXPECT_FALSE(gateway->raw_cas("k", "seven", current, seconds(0)));
  EXPECT_EQ(raw_get(*gateway, k)[0]->value, "six");
}

TEST_F(RawItemsTest, RawNumbers) {
  const auto gateway = make_gateway();
  EXPECT_EQ(gateway->raw_add_number("n", 1, std::nullopt), std::nullopt);
  EXPECT_EQ(gateway->raw_add_number("n", 5, 10), 15u);
  EXPECT_EQ(gateway->raw_add_number("n", 5, 10), 20u);
  EXPECT_EQ(gateway->raw_add_number("n", -8, std::nullopt), 12u);
  EXPECT_EQ(gateway->raw_add_number("n", -100, std::nullopt), 0u);
  EXPECT_EQ(gateway->raw_add_number("n", 1LL << 40, std::nullopt), 1ull << 40);
  EXPECT_EQ(gateway->raw_add_number("low", -5, 3), 0u);
  EXPECT_EQ(gateway->raw_add_number("least", std::numeric_limits<std::int64_t>::min(), 3), 0u);
  gateway->raw_store(RawItems::RawStore::kSet, "text", "abc", seconds(0));
  EXPECT_EQ(gateway->raw_add_number("text", 1, std::nullopt), std::nullopt);
  EXPECT_EQ(gateway->raw_add_number("n", 1, std::nullopt), (1ull << 40) + 1);
}

// After an attempt to replace a value the old one must not be found, whatever was wrong with the new one.
TEST_F(RawItemsTest, ATooLargeValueRemovesTheOldOne) {
  const auto gateway = make_gateway();
  const std::string large(2 << 20, 'x');
  using enum RawItems::RawStore;
  gateway->raw_store(kSet, "set", "old", seconds(0));
  EXPECT_FALSE(gateway->raw_store(kSet, "set", large, seconds(0)));
  EXPECT_EQ(get(*gateway, "set"), "(none)");
  gateway->raw_store(kSet, "replace", "old", seconds(0));
  EXPECT_FALSE(gateway->raw_store(kReplace, "replace", large, seconds(0)));
  EXPECT_EQ(get(*gateway, "replace"), "(none)");
  gateway->raw_store(kSet, "cas", "old", seconds(0));
  EXPECT_FALSE(gateway->raw_cas("cas", large, raw_get(*gateway, {"cas"})[0]->token, seconds(0)));
  EXPECT_EQ(get(*gateway, "cas"), "(none)");

  // These would not have replaced it.
  gateway->raw_store(kSet, "stays", "old", seconds(0));
  EXPECT_FALSE(gateway->raw_store(kAdd, "stays", large, seconds(0)));
  EXPECT_FALSE(gateway->raw_cas("stays", large, 0, seconds(0)));
  const std::uint64_t token = raw_get(*gateway, {"stays"})[0]->token;
  gateway->raw_store(kSet, "stays", "newer", seconds(0));
  EXPECT_FALSE(gateway->raw_cas("stays", large, token, seconds(0)));
  EXPECT_EQ(get(*gateway, "stays"), "newer");
  EXPECT_FALSE(gateway->raw_store(kAdd, "none", large, seconds(0)));
  EXPECT_FALSE(gateway->raw_store(kReplace, "none", large, seconds(0)));
  EXPECT_EQ(get(*gateway, "none"), "(none)");
  EXPECT_EQ(gateway->stats().errors, 0u);
}

// The server's limit is lower than the client's: its refusal is an answer, and the server is not faulty.
TEST_F(RawItemsTest, ARefusedStoreLeavesNoItem) {
  testing::ScriptedMemcached scripted(clock_);
  scripted.limit_items(1000);
  const auto gateway = make_gateway(config({scripted.address("A")}));
  gateway->raw_store(RawItems::RawStore::kSet, "k", "old", seconds(0));
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(gateway->raw_store(RawItems::RawStore::kSet, "k", std::string(2000, 'x'), seconds(0)));
  }
  EXPECT_EQ(get(*gateway, "k"), "(none)");
  EXPECT_EQ(gateway->stats().errors, 0u);
}

// memcached pads a number that decr has shortened with spaces, or not, depending on who holds the item at the moment.
TEST_F(RawItemsTest, NumbersAreReadWithoutPadding) {
  testing::ScriptedMemcached scripted(clock_);
  const auto gateway = make_gateway(config({scripted.address("A")}));
  using enum RawItems::RawStore;
  for (const char* padded : {"9 ", "9  ", "0         "}) {
    scripted.put("ndbu:n", 0, padded);
    EXPECT_EQ(get(*gateway, "n"), std::string(1, padded[0]));
  }
  gateway->raw_store(kSet, "n", "10", seconds(0));
  EXPECT_EQ(gateway->raw_add_number("n", -1, std::nullopt), 9u);
  EXPECT_EQ(get(*gateway, "n"), "9");
  EXPECT_EQ(gateway->raw_add_number("n", 1, std::nullopt), 10u);
  EXPECT_EQ(get(*gateway, "n"), "10");
  // What a user has stored comes back as it is.
  for (const char* value : {"9 ", "10  ", " 9", "9 x ", " ", "", "a "}) {
    gateway->raw_store(kSet, "text", value, seconds(0));
    EXPECT_EQ(get(*gateway, "text"), value);
    EXPECT_TRUE(gateway->raw_cas("text", value, raw_get(*gateway, {"text"})[0]->token, seconds(0)));
    EXPECT_EQ(get(*gateway, "text"), value);
  }
}

TEST_F(RawItemsTest, AnItemThatIsNotANumberIsNotAServerError) {
  const auto gateway = make_gateway();
  gateway->raw_store(RawItems::RawStore::kSet, "text", "abc", seconds(0));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gateway->raw_add_number("text", 1, 7), std::nullopt);
  EXPECT_EQ(get(*gateway, "text"), "abc");
  EXPECT_EQ(gateway->stats().errors, 0u);
}

// memcached reads a date as a signed number of 32 bits, which ends on 2038-01-19. What is to live longer lives until
// then, and from 2038 on for the 30 days that memcached counts by itself.
TEST_F(RawItemsTest, TimeoutsOfEveryLengthAreKept) {
  constexpr seconds kMonth{30 * 86400}, kYear{366 * 86400};
  constexpr std::int64_t kLast = std::numeric_limits<std::int32_t>::max();
  testing::ScriptedMemcached scripted(clock_);
  const auto gateway = make_gateway(config({scripted.address("A")}));
  const auto sent = [&](seconds timeout) {
    scripted.clear_log();
    EXPECT_TRUE(gateway->raw_store(RawItems::RawStore::kSet, "k", "v", timeout));
    return scripted.log().at(0).exptime;
  };
  const std::int64_t now = clock_.now().time_since_epoch() / seconds(1);
  ASSERT_LT(now + kYear.count(), kLast);
  EXPECT_EQ(sent(seconds(0)), 0);
  EXPECT_EQ(sent(kMonth), kMonth.count());
  EXPECT_EQ(sent(kMonth + seconds(1)), now + kMonth.count() + 1);
  EXPECT_EQ(sent(kYear), now + kYear.count());
  EXPECT_EQ(sent(seconds(kLast - now)), kLast);
  for (const seconds longer :
       {seconds(kLast - now + 1), 70 * kYear, 100 * kYear, seconds(1'000'000'000'000), seconds::max()}) {
    EXPECT_EQ(sent(longer), kLast);
  }
  clock_.advance(seconds(kLast - now) - kMonth);
  EXPECT_EQ(sent(kYear), kMonth.count());
  clock_.advance(kYear);
  EXPECT_EQ(sent(kYear), kMonth.count());
  EXPECT_EQ(sent(kMonth), kMonth.count());
}

// Records of entities contain the time until which they are served.
TEST_F(RawItemsTest, RecordsWithLongTimeoutsAreServed) {
  const auto gateway = make_gateway();
  constexpr seconds kYear{366 * 86400};
  int i = 0;
  for (const seconds timeout : {5 * kYear, 20 * kYear, 70 * kYear, 100 * kYear, seconds::max()}) {
    const Key key = make_key(cat("filled", i)), alone = make_key(cat("alone", i++));
    fill(*gateway, read(*gateway, key).lease, 1, "v1", timeout);
    EXPECT_EQ(read(*gateway, key).outcome, ReadOutcome::kHit) << timeout.count();
    EXPECT_TRUE(gateway->put_cached(alone, "v", timeout).ok()) << timeout.count();
    std::vector<TagRead> tag = {{.name = alone.bytes(), .timeout = timeout}};
    gateway->read({}, tag, {});
    EXPECT_TRUE(tag[0].tag) << timeout.count();
    EXPECT_TRUE(gateway->reset_tags(std::vector{alone.bytes()}, timeout).ok()) << timeout.count();
    const LockPtr held = *lock(*gateway, key);
    const Unlock through{.lock = held,
                         .key = key,
                         .outcome = CommitOutcome::kApplied,
                         .version = 2,
                         .payload = "v2",
                         .timeout = timeout};
    gateway->unlock({&through, 1});
    EXPECT_EQ(read(*gateway, key).payload, "v2") << timeout.count();
  }
}

}  // namespace
}  // namespace ndb::memcache
