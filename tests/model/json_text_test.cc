// JSON texts: which ones are valid, and what they contain.
#include "model/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"

namespace ndb::detail {
namespace {

TEST(JsonText, ExtensionsOfPythonsJsonAreAccepted) {
  for (const char* text :
       {"null", "true", " [ ] ", "{}", "[1, -0, 0.5, 1E9, 2e-7, 3e+0]", "NaN", "[Infinity, -Infinity]", "1e400",
        R"("\ud800")", R"("\udc00\ud83d\ude00")", R"({"a": {"b": [null]}, "a": 2})", "\t\n\r \"\\u0000\"",
        "123456789012345678901234567890", "\"\xc3\xa9\""}) {
    EXPECT_TRUE(is_json(text)) << text;
    EXPECT_TRUE(JsonText::parse(text)) << text;
  }
  for (const char* text : {"",
                           " ",
                           "nul",
                           "nulll",
                           "True",
                           "+1",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "-NaN",
                           "+Infinity",
                           "Inf",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[1}",
                           "]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:2}",
                           "{\"a\" 1}",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\n\"",
                           "'a'",
                           "1 2",
                           "[1]]",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "[1,\"\\\"]",
                           "\xef\xbb\xbf[]",
                           "//\n1"}) {
    EXPECT_FALSE(is_json(text)) << text;
    EXPECT_FALSE(JsonText::parse(text)) << text;
  }
}

// Compared with the library, on what that supports.
TEST(JsonText, RandomTextsAreJudgedAsByTheLibrary) {
  const std::vector<std::string_view> tokens = {"{",     "}",    "[",           "]",   "{}", "[]", ",",   ":",    ":",
                                                "\"a\"", "\"\"", "\"\\u00e9\"", "1",   "-0", "0",  "1.5", "1e-5", "1.",
                                                "-",     "true", "null",        "nul", " ",  "\n", "\"",  "\\"};
  const auto seed = std::random_device()();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  int good = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (std::size_t left = 1 + random() % 8; left > 0; --left) text += tokens[random() % tokens.size()];
    ASSERT_EQ(is_json(text), nlohmann::json::accept(text)) << text;
    ASSERT_EQ(JsonText::parse(text).has_value(), is_json(text)) << text;
    if (!is_json(text)) continue;
    ++good;
    const auto parsed = nlohmann::ordered_json::parse(text);
    if (parsed.size() < 2) {
      ASSERT_EQ(nlohmann::ordered_json::parse(compact_json(text)), parsed) << text;
    }
    ASSERT_EQ(compact_json(indented_json(text, 2)), compact_json(text)) << text;
  }
  EXPECT_GT(good, 1000);
}

TEST(JsonText, IsTakenApart) {
  const std::string text = R"( {"a": [1, -2.5e1, "x"], "b\u0020c": {"d": null}, "e": true, "f": {}, "g": 7} )";
  const auto json = JsonText::parse(text);
  ASSERT_TRUE(json);
  std::string seen;
  json->root().for_each_member(
      [&](const auto& name, const auto& member) { seen += cat(*name.string(), "=", member.text(), ";"); });
  EXPECT_EQ(seen, R"(a=[1, -2.5e1, "x"];b c={"d": null};e=true;f={};g=7;)");
  std::vector<JsonText::Value> elements;
  json->root().for_each_member([&](const auto& name, const auto& member) {
    if (name.text() == "\"a\"") member.for_each_element([&](const auto& element) { elements.push_back(element); });
  });
  ASSERT_EQ(elements.size(), 3u);
  EXPECT_EQ(elements[0].integer(), 1);
  EXPECT_EQ(elements[0].number(), 1.0);
  EXPECT_EQ(elements[1].type(), JsonType::kReal);
  EXPECT_EQ(elements[1].number(), -25.0);
  EXPECT_EQ(elements[2].string(), "x");
}

TEST(JsonText, Numbers) {
  const auto number = [](std::string_view text) { return JsonText::parse(text)->root().number(); };
  EXPECT_EQ(number("0.1"), 0.1);
  EXPECT_EQ(number("12345678901234567890"), 12345678901234567890.0);
  EXPECT_EQ(number("1e308"), 1e308);
  EXPECT_EQ(number("1e309"), std::nullopt);
  EXPECT_EQ(number("-1e309"), std::nullopt);
  EXPECT_EQ(number("1" + std::string(400, '0')), std::nullopt);
  EXPECT_EQ(number("1" + std::string(400, '0') + "e-400"), 1.0);
  EXPECT_EQ(number("1e-400"), 0.0);
  EXPECT_EQ(number("0." + std::string(400, '0') + "1e5"), 0.0);
  EXPECT_EQ(number("Infinity"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(number("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*number("NaN")));
  const auto integer = [](std::string_view text) { return JsonText::parse(text)->root().integer(); };
  EXPECT_EQ(integer("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(integer("-0"), 0);
}

TEST(JsonText, Strings) {
  const auto string = [](std::string_view text) { return JsonText::parse(text)->root().string(); };
  EXPECT_EQ(string(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(string(R"("\u0041\u00e9\u20AC\ud83d\ude00")"), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(string(R"("\u0000")"), std::string(1, '\0'));
  for (const char* half : {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\ud800")",
                           R"("\ud83d\u0041")", R"("\ude00\ud83d")"}) {
    EXPECT_EQ(string(half), std::nullopt) << half;
  }
  for (int byte = 0; byte < 0x80; ++byte) {
    std::string out;
    append_json_string(out, std::string(1, static_cast<char>(byte)));
    EXPECT_EQ(string(out), std::string(1, static_cast<char>(byte)));
  }
}

TEST(JsonText, Indented) {
  EXPECT_EQ(indented_json(R"({"a":[1,{"b":"x, [y]"}],"c":{},"d":[]})", 2),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, [y]\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}");
  EXPECT_EQ(indented_json("{}", 4), "{}");
  EXPECT_EQ(indented_json("[1]", 0), "[\n1\n]");
}

// Deep nesting needs neither stack nor quadratic time.
TEST(JsonText, NestingWithoutEnd) {
  constexpr std::size_t kLevels = 1'000'000;
  const std::string closed = std::string(kLevels, '[') + std::string(kLevels, ']');
  EXPECT_TRUE(is_json(closed));
  EXPECT_TRUE(JsonText::parse(closed));
  EXPECT_FALSE(is_json(closed + "]"));
  EXPECT_FALSE(is_json(std::string(kLevels, '[')));
  std::string objects;
  for (std::size_t i = 0; i < kLevels; ++i) objects += "{\"\":";
  EXPECT_FALSE(is_json(objects));
  EXPECT_EQ(compact_json(closed), closed);
}

}  // namespace
}  // namespace ndb::detail
