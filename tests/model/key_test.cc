#include "ndb/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <unordered_set>

#include "absl/strings/escaping.h"
#include "base/hash.h"
#include "base/strings.h"
#include "model/default_partition.h"
#include "ndb/error.h"

namespace ndb {
namespace {

using ::testing::HasSubstr;

std::string from_base64(const std::string& text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  return bytes;
}

// Keys as google-cloud-ndb writes them.
TEST(KeyTest, AgreesWithGoldenKeys) {
  std::ifstream file(NDB_GOLDEN_DIR "/ndb_keys.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const auto golden = nlohmann::json::parse(line);
    Partition where{.project = golden["project"], .database = "", .namespace_ = ""};
    if (golden["database"].is_string()) where.database = golden["database"];
    if (golden["namespace"].is_string()) where.namespace_ = golden["namespace"];
    Key key;
    for (std::size_t i = 0; i < golden["path"].size(); i += 2) {
      const std::string kind = golden["path"][i];
      const auto& last = golden["path"][i + 1];
      const Id with_id = last.is_string() ? id(last.get<std::string>()) : id(last.get<std::int64_t>());
      key = key ? Key(kind, with_id, key) : Key(kind, with_id, where);
    }
    const std::string bytes = from_base64(golden["key_proto_base64"]);
    EXPECT_EQ(key.bytes(), bytes) << line;
    EXPECT_EQ(key.urlsafe(), golden["urlsafe"].get<std::string>()) << line;
    EXPECT_EQ(Key::from_urlsafe(golden["urlsafe"].get<std::string>()), key) << line;
    EXPECT_EQ(*Key::from_bytes(bytes), key) << line;
  }
  EXPECT_EQ(lines, 6);
}

TEST(KeyTest, ReadsUrlsafeTextOfAppEngine) {
  // Key('Kind', 1337, project='example') with the location prefix "s~".
  EXPECT_EQ(Key::from_urlsafe("aglzfmV4YW1wbGVyCwsSBEtpbmQYuQoM"), Key("Kind", id(1337), {.project = "example"}));
  EXPECT_EQ(Key::from_urlsafe("agdleGFtcGxlcgsLEgRLaW5kGLkKDA=="), Key("Kind", id(1337), {.project = "example"}));
}

// App Engine's application id `s~shop` is the project `shop`; a project that has a tilde of its own keeps it.
TEST(KeyTest, AProjectWithATildeIsPreserved) {
  for (const char* project : {"s~p", "~", "~p", "s~", "a~b~c"}) {
    const Key key("A", id("b"), {.project = project});
    EXPECT_EQ(Key::from_urlsafe(key.urlsafe()), key);
  }
}

// Otherwise somebody could choose many keys with one hash.
TEST(KeyTest, HashesAreThoseOfTheProcess) {
  const Key key("A", id("b"), {.project = "p"});
  EXPECT_EQ(key.hash(), seeded_hash(key.bytes()));
  EXPECT_EQ(key.hash(), Key::from_bytes(key.bytes())->hash());
}

TEST(KeyTest, KnowsItsParts) {
  const Partition where{.project = "shop", .database = "db", .namespace_ = "eu"};
  const Key root("Parent", id("p"), where);
  const Key child("Child", id(5), root);
  EXPECT_EQ(child.project(), "shop");
  EXPECT_EQ(child.database(), "db");
  EXPECT_EQ(child.namespace_(), "eu");
  EXPECT_EQ(child.kind(), "Child");
  EXPECT_EQ(child.integer_id(), 5);
  EXPECT_EQ(child.string_id(), std::nullopt);
  EXPECT_EQ(child.id(), id(5));
  EXPECT_EQ(child.parent(), root);
  EXPECT_EQ(child.root(), root);
  EXPECT_FALSE(root.parent());
  EXPECT_EQ(root.root(), root);
  EXPECT_EQ(root.string_id(), "p");
  EXPECT_EQ(child.path().size(), 2u);
  EXPECT_TRUE(child.has_ancestor(root));
  EXPECT_TRUE(child.has_ancestor(child));
  EXPECT_FALSE(root.has_ancestor(child));
  EXPECT_FALSE(child.has_ancestor(Key("Parent", id("p"), {.project = "shop", .database = "db", .namespace_ = ""})));
  EXPECT_FALSE(Key("Parent", id("pp"), where).has_ancestor(root));

  const Key incomplete("Child", {}, root);
  EXPECT_FALSE(incomplete.is_complete());
  EXPECT_EQ(incomplete.id(), Id());
  EXPECT_EQ(incomplete.with_id(id(5)), child);
  EXPECT_EQ(child.in_partition({.namespace_ = "us"}).namespace_(), "us");
  EXPECT_EQ(child.in_partition({.namespace_ = "us"}).project(), "shop");

  EXPECT_EQ(child.to_string(), "Key('Parent', 'p', 'Child', 5, project='shop', database='db', namespace='eu')");
  EXPECT_EQ(incomplete.to_string(), "Key('Parent', 'p', 'Child', None, project='shop', database='db', namespace='eu')");
  EXPECT_EQ(Key("K", id("it's\n")).to_string(), "Key('K', 'it\\'s\\x0a')");
  EXPECT_EQ(std::hash<Key>()(child), Key::from_bytes(child.bytes())->hash());
  EXPECT_EQ(std::unordered_set<Key>({child, root, *Key::from_bytes(root.bytes())}).size(), 2u);
}

TEST(KeyTest, NoKeyIsFalseAndHasNoParts) {
  const Key none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none, Key());
  EXPECT_LT(none, Key("A", id(1)));
  EXPECT_EQ(none.kind(), "");
  EXPECT_TRUE(none.path().empty());
  EXPECT_FALSE(none.is_complete());
  EXPECT_FALSE(none.has_ancestor(none));
  EXPECT_EQ(none.to_string(), "Key()");
  EXPECT_EQ(none.bytes(), "");
  EXPECT_THROW(none.urlsafe(), BadKeyError);
  EXPECT_THROW(none.with_id(id(1)), BadKeyError);
  EXPECT_THROW(Key("A", id(1), none), BadKeyError);
}

TEST(KeyTest, TakesMissingFieldsFromTheCurrentPartition) {
  static const Partition here{.project = "shop", .database = "", .namespace_ = "eu"};
  EXPECT_EQ(Key("A", id(1)).project(), "");
  set_default_partition([]() -> const Partition* { return &here; });
  const Key in_context("A", id(1));
  const Key elsewhere("A", id(1), {.namespace_ = ""});
  set_default_partition(nullptr);
  EXPECT_EQ(in_context, Key("A", id(1), here));
  EXPECT_EQ(elsewhere.project(), "shop");
  EXPECT_EQ(elsewhere.namespace_(), "");
}

TEST(KeyTest, RefusesWhatTheDatastoreRefuses) {
  const std::string long_part(1501, 'x'), bad_utf8 = "a\xff";
  const Key root("P", id(1));
  const struct {
    std::function<Key()> make;
    std::string message;
  } cases[] = {
      {[] { return Key("", id(1)); }, "kind of a key is empty"},
      {[&] { return Key(long_part, id(1)); }, "1501 bytes"},
      {[&] { return Key(bad_utf8, id(1)); }, "kind \"a\\xff\" of a key is not UTF-8"},
      {[] { return Key("K", id("")); }, "name of a key is empty"},
      {[&] { return Key("K", id(long_part)); }, "1501 bytes"},
      {[&] { return Key("K", id(bad_utf8)); }, "not UTF-8"},
      {[] { return Key("K", id("\xed\xa0\x80")); }, "not UTF-8"},      // a surrogate
      {[] { return Key("K", id("\xc0\xaf")); }, "not UTF-8"},          // not the shortest form
      {[] { return Key("K", id("\xf4\x90\x80\x80")); }, "not UTF-8"},  // above U+10FFFF
      {[] { return Key("K", id("\xe2\x82")); }, "not UTF-8"},          // cut off
      {[] { return Key("K", id(0)); }, "id of a key of kind \"K\" is 0"},
      {[] { return Key("K", id("__x__")); }, "reserved"},
      {[&] { return Key("C", id(1), Key("P", {})); }, "has no id"},
      {[] { return Key("K", id(1), {.namespace_ = "a b"}); }, "namespace \"a b\""},
      {[] { return Key("K", id(1), {.project = std::string(101, 'p')}); }, "more than 100 bytes"},
      {[&] {
         Key key = root;
         for (int i = 0; i < 100; ++i) key = Key("P", id(1), key);
         return key;
       },
       "path of 101 elements"},
      {[&] {
         Key key = root;
         for (int i = 0; i < 5; ++i) key = Key("P", id(std::string(1500, 'x')), key);
         return key;
       },
       "6 KiB"},
  };
  for (const auto& c : cases) {
    try {
      ADD_FAILURE() << c.make() << " was made; expected: " << c.message;
    } catch (const BadKeyError& error) {
      EXPECT_THAT(error.what(), HasSubstr(c.message));
    }
  }
  EXPECT_TRUE(Key("__kind__", id("Account")));
  EXPECT_TRUE(Key(std::string(1500, 'x'), id(-1)));
  EXPECT_TRUE(Key("K", id("____ж")));
}

TEST(KeyTest, IsOrderedLikeTheDatastore) {
  const auto in = [](std::string project, std::string database, std::string name_space) {
    return Partition{.project = project, .database = database, .namespace_ = name_space};
  };
  const Key a1("A", id(1), in("p", "", ""));
  const std::vector<Key> sorted = {
      Key(),
      Key("Z", id("z"), in("o", "", "")),
      Key("A", {}, in("p", "", "")),
      Key("A", id(-5), in("p", "", "")),
      a1,
      Key("A", id(1), a1),
      Key("A", id(10), in("p", "", "")),
      Key("A", id("1"), in("p", "", "")),
      Key("A", id("B"), in("p", "", "")),
      Key("A", id("a"), in("p", "", "")),
      Key("A", id("aa"), in("p", "", "")),
      Key("A", id("\xc3\xa9"), in("p", "", "")),
      Key("AA", id(1), in("p", "", "")),
      Key("B", id(1), in("p", "", "")),
      Key("A", id(1), in("p", "", "n")),
      Key("A", id(1), in("p", "d", "")),
  };
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t j = 0; j < sorted.size(); ++j) {
      EXPECT_EQ(sorted[i] <=> sorted[j], i <=> j) << sorted[i] << " " << sorted[j];
      EXPECT_EQ(sorted[i] == sorted[j], i == j);
    }
  }
}

TEST(KeyTest, TakesAnyValidSerialization) {
  const Key key("Child", id(5), Key("P", id("p"), {.project = "shop", .database = "", .namespace_ = "eu"}));
  const auto field = [](int number, std::string_view bytes) {
    return cat(static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size()), bytes);
  };
  const std::string parent = field(2, cat(field(3, "p"), field(1, "P")));  // fields in another order
  const std::string child =
      field(2, cat("\x10\x07", field(1, "X"), "\x10\x05", field(1, "Child")));  // the last one counts
  const std::string partition = field(1, cat(field(4, "eu"), field(2, "shop"), field(3, "")));
  const std::string unknown = cat(field(9, "what"), "\x50\x01", "\x5b\x0a\x01x\x5c",
                                  "\x65"
                                  "ABCD",
                                  "\x69"
                                  "ABCDEFGH");
  for (const std::string& bytes : {cat(partition, parent, child), cat(parent, child, partition),
                                   cat(unknown, parent, unknown, child, partition, unknown)}) {
    const auto read = Key::from_bytes(bytes);
    ASSERT_TRUE(read.ok()) << read.status() << " " << quoted(bytes);
    EXPECT_EQ(*read, key);
    EXPECT_EQ(read->bytes(), key.bytes());
  }
  EXPECT_FALSE(Key::from_bytes("").ok());
  EXPECT_FALSE(Key::from_bytes(partition).ok());
  EXPECT_FALSE(Key::from_bytes(field(2, field(1, "P")) + child).ok()) << "an ancestor without id";
  EXPECT_FALSE(Key::from_bytes(std::string(1000, '\x5b')).ok()) << "groups in groups";
}

TEST(KeyTest, GarbageGivesAStatus) {
  const auto seed = std::random_device()();
  std::mt19937 random(seed);
  const Key key("Child", id(5), Key("Parent", id("p"), {.project = "shop", .database = "", .namespace_ = "eu"}));
  const std::string text = key.urlsafe();
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = key.bytes();
    for (int n = 1 + static_cast<int>(random() % 4); n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const auto read = Key::from_bytes(bytes);
    if (read.ok()) {
      EXPECT_EQ(*Key::from_bytes(read->bytes()), *read) << "seed " << seed;
    }
    std::string url = base64url_encode(bytes);
    if (random() % 2 == 0) {
      url = text;
      url[random() % url.size()] = static_cast<char>(random());
    }
    const auto parsed = Key::try_from_urlsafe(url);
    if (parsed.ok() && parsed->is_complete()) {
      EXPECT_EQ(Key::from_urlsafe(parsed->urlsafe()), *parsed) << "seed " << seed;
    }
  }
  EXPECT_THROW(Key::from_urlsafe("not a key"), BadKeyError);
  EXPECT_THROW(Key::from_urlsafe(""), BadKeyError);
}

}  // namespace
}  // namespace ndb
