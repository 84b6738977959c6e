#include "base/strings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace ndb {
namespace {

using namespace std::string_literals;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

TEST(Strings, CatJoinsPieces) {
  EXPECT_EQ(cat("at most ", 500, ' ', "mutations"s, " of ", std::string_view("10 MiB"), ", not ", std::int64_t{-1}),
            "at most 500 mutations of 10 MiB, not -1");
  EXPECT_EQ(cat(), "");
}

TEST(Strings, Base64Url) {
  const struct {
    std::string bytes;
    std::string text;
  } cases[] = {
      {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\0"s, "AA"}, {"\xfb\xef\xff", "--__"}, {"\xff", "_w"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(base64url_encode(c.bytes), c.text);
    EXPECT_EQ(base64url_decode(c.text), c.bytes) << c.text;
  }
  EXPECT_EQ(base64url_decode("Zg=="), "f") << "padding is accepted";
  for (const char* malformed : {"Z", "Zg=", "Zm9v!", "Zm 9v", "Zm9v\n", "+/+/", "Zm\t9v", "=", "Zg==Zg=="}) {
    EXPECT_EQ(base64url_decode(malformed), std::nullopt) << malformed;
  }
}

TEST(Strings, Base64UrlKeepsAnyBytes) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (std::size_t size = 0; size < 300; ++size) {
    std::string bytes;
    while (bytes.size() < size) bytes.push_back(static_cast<char>(random()));
    const std::string text = base64url_encode(bytes);
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), text.npos);
    EXPECT_EQ(base64url_decode(text), bytes);
  }
}

TEST(Strings, Sha256) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Strings, QuotedIsSafeToPrint) {
  const struct {
    std::string bytes;
    std::string text;
  } cases[] = {
      {"Account", "\"Account\""},
      {"", "\"\""},
      {std::string(101, 'a'), "\"" + std::string(100, 'a') + "...\""},
      {std::string(100, 'a'), "\"" + std::string(100, 'a') + "\""},
  };
  for (const auto& c : cases) EXPECT_EQ(ndb::quoted(c.bytes), c.text);
  for (int byte = 0; byte < 256; ++byte) {
    for (const char c : ndb::quoted(std::string(1, static_cast<char>(byte)))) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << "byte " << byte;
    }
  }
  EXPECT_EQ(ndb::quoted("Account", 3), "\"Acc...\"");
}

TEST(Strings, LittleEndianNumbers) {
  std::string out;
  append_le<std::uint16_t>(out, 0x0102);
  append_le<std::uint32_t>(out, 0xfffefdfc);
  append_le<std::uint64_t>(out, 0x8182838485868788);
  EXPECT_EQ(hex(out), "0201fcfdfeff8887868584838281");
  EXPECT_EQ(load_le<std::uint16_t>(out), 0x0102);
  EXPECT_EQ(load_le<std::uint32_t>(out, 2), 0xfffefdfc);
  EXPECT_EQ(load_le<std::uint64_t>(out, 6), 0x8182838485868788);
}

TEST(Strings, PercentEncoding) {
  const struct {
    std::string bytes;
    std::string text;
  } cases[] = {
      {"", ""},
      {"my-project_1.~", "my-project_1.~"},
      {"example.com:shop", "example.com%3Ashop"},
      {"a b/c&d=e%", "a%20b%2Fc%26d%3De%25"},
      {"\xc3\xa9\0\xff"s, "%C3%A9%00%FF"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(percent_encoded(c.bytes), c.text);
    EXPECT_EQ(percent_decoded(c.text), c.bytes) << c.text;
  }
  EXPECT_EQ(percent_decoded("%c3%a9 +"), "\xc3\xa9 +") << "small digits, and what needs no encoding here";
  for (const char* malformed : {"%", "%4", "a%", "a%4", "%4g", "%g4", "%%41", "% 41", "%-1"}) {
    EXPECT_EQ(percent_decoded(malformed), std::nullopt) << malformed;
  }
}

}  // namespace
}  // namespace ndb
