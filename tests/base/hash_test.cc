#include "base/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ndb {
namespace {

// Strings of 16 bytes with the same std::hash: libstdc++'s is MurmurHash2 with a fixed seed, whose steps can be
// inverted.
std::vector<std::string> of_one_std_hash(std::size_t count) {
  constexpr std::uint64_t kMul = 0xc6a4a7935bd1e995, kSeed = 0xc70f6907;
  std::uint64_t inverse = kMul;
  for (int i = 0; i < 6; ++i) inverse *= 2 - kMul * inverse;
  const auto fold = [](std::uint64_t x) { return x ^ x >> 47; };
  const auto word = [&](std::uint64_t x) { return fold(x * kMul) * kMul; };
  const auto back = [&](std::uint64_t x) { return fold(x * inverse) * inverse; };
  const std::uint64_t begin = kSeed ^ 16 * kMul;
  std::vector<std::string> out;
  for (std::uint64_t first = 0; first < count; ++first) {
    const std::uint64_t second = back((begin ^ word(first)) * kMul ^ 12345);
    std::string text(16, '\0');
    std::memcpy(text.data(), &first, 8);
    std::memcpy(text.data() + 8, &second, 8);
    out.push_back(std::move(text));
  }
  return out;
}

TEST(SeededHash, StringsThatWereMadeForOneHashHaveMany) {
  const std::vector<std::string> texts = of_one_std_hash(10'000);
  std::set<std::size_t> known, seeded;
  for (const std::string& text : texts) {
    known.insert(std::hash<std::string_view>()(text));
    seeded.insert(seeded_hash(text));
  }
  EXPECT_EQ(known.size(), 1u) << "the strings are not what they should be";
  EXPECT_EQ(seeded.size(), texts.size());
}

TEST(SeededHash, IsTheSameForEqualBytesOfAnyLength) {
  std::string text;
  std::set<std::size_t> seen;
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(seeded_hash(text), seeded_hash(std::string(text)));
    EXPECT_TRUE(seen.insert(seeded_hash(text)).second) << text.size();
    text += static_cast<char>(i);
  }
}

TEST(SeededHashDeathTest, IsAnotherInAnotherProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // which restarts the program
  EXPECT_EXIT((std::fprintf(stderr, "hash %zu.\n", seeded_hash("ada")), std::exit(0)), testing::ExitedWithCode(0),
              testing::AllOf(testing::HasSubstr("hash "),
                             testing::Not(testing::HasSubstr("hash " + std::to_string(seeded_hash("ada")) + "."))));
}

// The ids of existing local Datastores were made with it.
TEST(MixBits, IsTheFinalizerOfMurmurHash3) {
  EXPECT_EQ(mix_bits(0), 0u);
  EXPECT_EQ(mix_bits(1), 0xb456bcfc34c2cb2cu);
  EXPECT_EQ(mix_bits(0x0123456789abcdef), 0x87cbfbfe89022ceau);
}

TEST(StringHash, MapsAreSearchedByStringView) {
  const std::unordered_map<std::string, int, StringHash, std::equal_to<>> map = {{"ada", 36}};
  EXPECT_EQ(map.find(std::string_view("adam", 3))->second, 36);
  EXPECT_EQ(map.find(std::string_view("eve")), map.end());
}

}  // namespace
}  // namespace ndb
