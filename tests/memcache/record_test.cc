#include "memcache/protocol/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ndb::memcache {
namespace {

constexpr std::string_view kKey = "key bytes";

std::vector<Record> examples() {
  const WallTime time{std::chrono::microseconds(1'700'000'000'123'456)};
  return {
      {.state = State::kEmpty, .version = 7, .token = 0xFEDCBA9876543210},
      {.state = State::kLock, .version = 7},
      {.state = State::kLock, .version = 9, .holders = {{1, 2}, {~0ull, ~0u}}, .contended_until = 77},
      {.state = State::kValue, .version = ~0ull, .read_time = time, .expiry = 123, .payload = "entity"},
      {.state = State::kValue, .version = 1, .payload = ""},
      {.state = State::kValue, .version = 1, .payload = std::string(100'000, 'x')},
      {.state = State::kNeg, .version = 5, .read_time = time},
      {.state = State::kCached, .version = 3, .read_time = time, .token = 8, .payload = "cached"},
  };
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.read_time, b.read_time);
  EXPECT_EQ(a.expiry, b.expiry);
  EXPECT_EQ(a.token, b.token);
  EXPECT_EQ(a.holders, b.holders);
  EXPECT_EQ(a.contended_until, b.contended_until);
  EXPECT_EQ(a.payload, b.payload);
}

TEST(Record, WhatIsEncodedIsParsed) {
  for (const Record& record : examples()) {
    const Encoded encoded = encode(record, kKey, 4096);
    Record parsed;
    ASSERT_EQ(parse_whole(encoded.flags, encoded.body, kKey, parsed), Parsed::kRecord);
    expect_same(parsed, record);
  }
}

TEST(Record, LargePayloadsAreCompressed) {
  const Record record{.state = State::kValue, .version = 1, .payload = std::string(100'000, 'x')};
  EXPECT_LT(encode(record, kKey, 4096).body.size(), 1000u);
  EXPECT_GT(encode(record, kKey, 100'000).body.size(), 100'000u);
}

TEST(Record, WhatCannotBeCompressedIsStoredAsItIs) {
  std::mt19937_64 random(1);
  Record record{.state = State::kValue, .version = 1};
  for (int i = 0; i < 10'000; ++i) record.payload.push_back(static_cast<char>(random()));
  const Encoded encoded = encode(record, kKey, 100);
  EXPECT_LT(encoded.body.size(), 10'100u);
  Record parsed;
  ASSERT_EQ(parse_whole(encoded.flags, encoded.body, kKey, parsed), Parsed::kRecord);
  EXPECT_EQ(parsed.payload, record.payload);
}

// The memory for a payload is bounded before it is allocated, whatever its frame declares.
TEST(Record, PayloadsAreNoLargerThanEntities) {
  for (const std::size_t compress_above : {std::size_t{4096}, 2 * kMaxPayload}) {
    Record record{.state = State::kValue, .version = 1, .payload = std::string(kMaxPayload, 'x')};
    Encoded encoded = encode(record, kKey, compress_above);
    Record parsed;
    EXPECT_EQ(parse_whole(encoded.flags, encoded.body, kKey, parsed), Parsed::kRecord);
    EXPECT_EQ(parsed.payload.size(), kMaxPayload);
    record.payload += 'x';
    encoded = encode(record, kKey, compress_above);
    EXPECT_EQ(parse_whole(encoded.flags, encoded.body, kKey, parsed), Parsed::kCorrupt);
  }
}

TEST(Record, ABatchDecompressesUpToItsBudget) {
  std::size_t left = 250'000;
  std::vector<bool> with_payload;
  for (const State state : {State::kValue, State::kCached, State::kValue}) {
    const Encoded encoded = encode({.state = state, .version = 1, .payload = std::string(100'000, 'x')}, kKey, 4096);
    Record parsed;
    ASSERT_EQ(parse(encoded.flags, encoded.body, kKey, {.known = 0, .inflated = &left}, parsed), Parsed::kRecord);
    EXPECT_EQ(parsed.payload.size(), parsed.payload_left_out ? 0u : 100'000u);
    with_payload.push_back(!parsed.payload_left_out);
  }
  EXPECT_EQ(with_payload, (std::vector{true, true, false}));
  EXPECT_EQ(left, 50'000u);
}

TEST(Record, APayloadThatIsNotWantedIsNotLookedAt) {
  std::size_t left = kMaxPayload;
  const Record record{.state = State::kValue, .version = 7, .payload = std::string(100'000, 'x')};
  const Encoded encoded = encode(record, kKey, 4096);
  for (const PayloadWanted wanted : {PayloadWanted{}, PayloadWanted{.known = 7, .inflated = &left}}) {
    Record parsed;
    ASSERT_EQ(parse(encoded.flags, encoded.body, kKey, wanted, parsed), Parsed::kRecord);
    EXPECT_TRUE(parsed.payload_left_out);
    EXPECT_TRUE(parsed.payload.empty());
    EXPECT_EQ(parsed.version, 7u);
  }
  EXPECT_EQ(left, kMaxPayload);
}

// The bytes that docs/record-format.md promises to other clients.
TEST(Record, TheFormatIsFixed) {
  const Encoded encoded = encode({.state = State::kNeg, .version = 0x0102, .expiry = 3}, "K", 4096);
  EXPECT_EQ(encoded.flags, 0x4E440104u);
  ASSERT_EQ(encoded.body.size(), 8u + 8 + 4 + 2 + 1 + 8);
  using namespace std::string_view_literals;
  EXPECT_EQ(encoded.body.substr(0, 23),
            "\x02\x01\0\0\0\0\0\0"
            "\0\0\0\0\0\0\0\0"
            "\x03\0\0\0"
            "\x01\0"
            "K"sv);
  EXPECT_EQ(encoded.body.substr(23), "\xD2\xFA\x24\xAE\x7C\x2D\x95\x48"sv);
}

TEST(Record, OtherFormatsAreUnknownAndForeignKeysCorrupt) {
  const Encoded encoded = encode(examples()[3], kKey, 4096);
  Record parsed;
  EXPECT_EQ(parse_whole(0, encoded.body, kKey, parsed), Parsed::kUnknown);
  EXPECT_EQ(parse_whole(encoded.flags + (1u << 8), encoded.body, kKey, parsed), Parsed::kUnknown);
  EXPECT_EQ(parse_whole(encoded.flags + (1u << 16), encoded.body, kKey, parsed), Parsed::kUnknown);
  EXPECT_EQ(parse_whole((encoded.flags & ~0xFFu) | 6, encoded.body, kKey, parsed), Parsed::kUnknown);
  EXPECT_EQ(parse_whole((encoded.flags & ~0xFFu), encoded.body, kKey, parsed), Parsed::kUnknown);
  EXPECT_EQ(parse_whole((encoded.flags & ~0xFFu) | 4, encoded.body, kKey, parsed), Parsed::kCorrupt);
  EXPECT_EQ(parse_whole(encoded.flags, encoded.body, "another k", parsed), Parsed::kCorrupt);
  EXPECT_EQ(parse_whole(encoded.flags, "", kKey, parsed), Parsed::kCorrupt);
}

std::vector<Encoded> encoded_examples() {
  std::vector<Encoded> all;
  for (const Record& record : examples()) all.push_back(encode(record, kKey, 4096));
  return all;
}

// Any damage is detected and harmless.
TEST(Record, DamageIsNeverServed) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<Encoded> all = encoded_examples();
  for (int i = 0; i < 10'000; ++i) {
    const Encoded& encoded = all[random() % all.size()];
    std::string body = encoded.body;
    switch (random() % 3) {
      case 0:
        body[random() % body.size()] ^= static_cast<char>(1 + random() % 255);
        break;
      case 1:
        body.resize(random() % body.size());
        break;
      case 2:
        body.insert(random() % body.size(), 1 + random() % 3, static_cast<char>(random()));
        break;
    }
    if (body == encoded.body) continue;
    Record parsed;
    EXPECT_EQ(parse_whole(encoded.flags, body, kKey, parsed), Parsed::kCorrupt);
  }
}

// The same with a repaired checksum, as only an attacker makes: parsing the fields is safe as well.
TEST(Record, ForgedRecordsAreParsedSafely) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<Encoded> all = encoded_examples();
  for (int i = 0; i < 10'000; ++i) {
    const Encoded& encoded = all[random() % all.size()];
    std::string covered = encoded.body.substr(0, encoded.body.size() - 8);
    for (std::uint64_t flips = random() % 4; flips > 0; --flips) {
      covered[random() % covered.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) covered.resize(random() % covered.size());
    Record parsed;
    const std::uint32_t flags = (encoded.flags & ~0xFFu) | static_cast<std::uint32_t>(1 + random() % 5);
    parse_whole(flags, with_checksum(flags, covered), kKey, parsed);
    EXPECT_LE(parsed.holders.size() * 12, covered.size());
  }
}

TEST(Record, NamesAreValidMemcacheKeys) {
  EXPECT_EQ(record_name("\x01\xFF?"), "ndb1:Af8_");
  const std::string long_name = record_name(std::string(6000, 'k'));
  EXPECT_EQ(long_name.size(), 5u + 43);
  EXPECT_NE(long_name, record_name(std::string(6001, 'k')));
  EXPECT_EQ(record_name(std::string(183, 'k')).size(), 249u);  // the longest that is not hashed
  EXPECT_EQ(record_name(std::string(184, 'k')).size(), 48u);
}

}  // namespace
}  // namespace ndb::memcache
