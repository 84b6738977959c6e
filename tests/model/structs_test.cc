// Structs inside entities: both layouts, local and compressed ones, and what their classes do not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"
#include "model/coding.h"
#include "model/compression.h"
#include "ndb/model.h"

namespace ndb {
namespace {

using testing::convert;
using testing::decode;
using ::testing::ElementsAre;
using testing::encode;
using ::testing::HasSubstr;
using testing::message_of;

struct Point {
  double x = 0, y = 0;
  NDB_PROPERTIES(Point, x, (y, .name = "yy"))
};
static_assert(Point{1, 2}.x == 1, "a struct of constants can be one");

struct Place {
  std::string city{};
  std::optional<std::int64_t> zip{};
  Point point{};
  std::string label() const { return city + "!"; }
  NDB_PROPERTIES(Place, city, zip, point, label)
};
struct Shop {
  std::string name{};
  std::vector<std::string> tags{};
  std::optional<Place> place{};
  std::vector<Point> doors{};
  NDB_PROPERTIES(Shop, name, (tags, .indexed = false), place, doors)
};

template <bool Legacy, bool Keep = true>
class ChainOf : public Model<ChainOf<Legacy, Keep>> {
 public:
  struct Properties {
    Shop main{};
    std::optional<Shop> spare{};
    std::vector<Place> places{};
    Shop hidden{};
    Place packed{};
    std::vector<Place> all_packed{};
  };
  NDB_MODEL(main, spare, places, (hidden, .local = true), (packed, .compressed = true, .local = true),
            (all_packed, .compressed = true, .local = true))
  static constexpr std::string_view _kind = "Chain";
  static constexpr bool _legacy_data = Legacy;
  static constexpr bool _keep_unknown = Keep;
};
using Chain = ChainOf<false>;
using OlderChain = ChainOf<true>;

template <class M>
M chain() {
  const Place place{.city = "Rome", .zip = 1, .point = {1, 2}};
  const Shop shop{.name = "S", .tags = {"a", "b"}, .place = place, .doors = {{3, 4}, {5, 6}}};
  return M::make({.main = shop,
                  .spare = shop,
                  .places = {place, {.city = "Oslo"}},
                  .hidden = shop,
                  .packed = place,
                  .all_packed = {place, place}},
                 id("c"));
}

TEST(StructsTest, TheOlderLayoutHasAPropertyForEachField) {
  const Entity e = convert<Entity>(chain<OlderChain>());
  std::vector<std::string> names;
  for (const auto& [name, value] : e) names.push_back(name);
  EXPECT_THAT(
      names, ::testing::UnorderedElementsAre(
                 "main.name", "main.tags", "main.place.city", "main.place.zip", "main.place.point.x",
                 "main.place.point.yy", "main.place.label", "main.doors.x", "main.doors.yy", "spare.name", "spare.tags",
                 "spare.place.city", "spare.place.zip", "spare.place.point.x", "spare.place.point.yy",
                 "spare.place.label", "spare.doors.x", "spare.doors.yy", "places.city", "places.zip", "places.point.x",
                 "places.point.yy", "places.label", "hidden", "packed", "all_packed"));
  EXPECT_EQ(e["main.place.point.yy"], 2.0);
  EXPECT_EQ(e["main.doors.x"], (Array{3.0, 5.0}));
  EXPECT_EQ(e["places.city"], (Array{"Rome", "Oslo"}));
  EXPECT_EQ(e["places.zip"], (Array{1, nullptr}));
  EXPECT_EQ(e["places.point.x"], (Array{1.0, 0.0}));
  EXPECT_EQ(e["places.label"], (Array{"Rome!", "Oslo!"}));
  EXPECT_FALSE(e["main.tags"].as_array()[0].indexed());
  EXPECT_TRUE(e["main.name"].indexed());
  // In the Datastore a local struct is an entity, whose own structs use that layout too.
  EXPECT_FALSE(e["hidden"].indexed());
  EXPECT_EQ(e["hidden"].as_entity()["place.point.x"], 1.0);
  EXPECT_EQ(convert<OlderChain>(e), chain<OlderChain>());
  EXPECT_EQ(convert<Chain>(chain<OlderChain>()), chain<Chain>());
  EXPECT_EQ(convert<OlderChain>(chain<Chain>()), chain<OlderChain>());

  const Entity unset = convert<Entity>(OlderChain::make({}, id("c")));
  EXPECT_TRUE(unset["spare"].is_null());
  EXPECT_TRUE(unset["main.place"].is_null());
  EXPECT_FALSE(unset.contains("places"));
  EXPECT_EQ(convert<OlderChain>(unset), OlderChain::make({}, id("c")));
}

TEST(StructsTest, LocalOnesAreBytes) {
  const Entity e = convert<Entity>(chain<Chain>());
  EXPECT_FALSE(e["hidden"].indexed());
  EXPECT_EQ(decode<Entity>(Key("X", id(1)), e["hidden"].as_blob())->get("name")->as_string(), "S");
  const Value& packed = e["packed"];
  EXPECT_EQ(packed.meaning(), 22);
  EXPECT_FALSE(packed.indexed());
  const std::string bytes = testing::inflated(packed.as_blob());
  EXPECT_EQ(decode<Entity>(Key("X", id(1)), bytes)->get("city")->as_string(), "Rome");
  EXPECT_EQ(e["all_packed"].as_array()[1].meaning(), 22);
  EXPECT_EQ(convert<Chain>(e), chain<Chain>());
}

TEST(StructsTest, ErrorsInTheOlderLayoutNameTheProperty) {
  const auto message = [](const OlderChain& c) { return message_of<BadValueError>([&] { convert<Entity>(c); }); };
  OlderChain c = chain<OlderChain>();
  c.edit().places.push_back({.city = std::string(1501, 'x')});
  EXPECT_THAT(message(c), HasSubstr("property \"places.label\" of Chain is a string of 1502 bytes"));
  c = chain<OlderChain>();
  c.edit().main.place->city = "\xff";
  EXPECT_THAT(message(c), HasSubstr("property \"main.place.label\" of Chain holds \"\\xff!\", which is not UTF-8"));
}

struct Loose {
  std::vector<std::int64_t> numbers{};
  std::optional<Point> point{};
  std::vector<std::optional<Point>> points{};
  Expando others{};
  NDB_PROPERTIES(Loose, numbers, point, points, others)
};
class OlderLoose : public Model<OlderLoose> {
 public:
  struct Properties {
    Loose one{};
    std::vector<Loose> many{};
    std::vector<std::optional<Point>> gaps{};
  };
  NDB_MODEL(one, many, gaps)
  static constexpr bool _legacy_data = true;
};

TEST(StructsTest, TheOlderLayoutRefusesWhatItCannotHold) {
  const struct {
    OlderLoose::Properties properties;
    std::string message;
  } cases[] = {
      {{.many = {{.point = Point{}}}}, "\"many.points\" of OlderLoose is repeated in a repeated struct"},
      {{.gaps = {std::nullopt}}, "\"gaps\" of OlderLoose holds a null among its structs"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(message_of<BadValueError>([&] { convert<Entity>(OlderLoose::make(c.properties, id(1))); }),
                HasSubstr(c.message));
  }
  // Dynamic properties of a struct have dotted names too.
  OlderLoose loose = OlderLoose::make({.one = {.numbers = {1, 2}, .others = {{"a", 1}, {"b", "x"}}}}, id(1));
  const Entity e = convert<Entity>(loose);
  EXPECT_EQ(e["one.a"], 1);
  EXPECT_EQ(e["one.numbers"], (Array{1, 2}));
  EXPECT_EQ(convert<OlderLoose>(e), loose);
}

TEST(StructsTest, ReadsOddArraysOfTheOlderLayout) {
  const Key key("Chain", id("c"));
  const Chain c = convert<Chain>(Entity::make(key, {{"places.city", Array{"A", "B", "C"}},
                                                    {"places.zip", Array{1}},  // shorter
                                                    {"spare", nullptr},        // and then not null
                                                    {"spare.name", "N"},
                                                    {"main.doors.x", 7.0}}));  // a projection
  EXPECT_EQ(c->places.size(), 3u);
  EXPECT_EQ(c->places[2].city, "C");
  EXPECT_EQ(c->places[0].zip, 1);
  EXPECT_EQ(c->places[1].zip, std::nullopt);
  EXPECT_EQ(c->spare->name, "N");
  EXPECT_EQ(c->main.doors.at(0).x, 7);
  EXPECT_THAT(
      message_of<BadValueError>([&] { convert<Chain>(Entity::make(key, {{"places.point.x", Array{1.0, "x"}}})); }),
      HasSubstr("property \"places.point.x\" of Chain is declared as double, but the value \"x\" is of type "
                "string (Key('Chain', 'c'))"));
}

// ---- What a class does not know

Entity with_unknown() {
  const auto point = [](int n) { return Entity::embedded({{"x", 1.0}, {"extra", n}}); };
  return Entity::make(Key("Chain", id("c")),
                      {{"new_text", Text("t")},
                       {"new_array", Array{1, "x", nullptr}},
                       {"new_entity", Entity::embedded({{"a", 1}})},
                       {"new_zipped", Value(Blob("z")).set_indexed(false).set_meaning(22)},
                       {"dotted.name", 3},
                       {"main", Entity::embedded({{"name", "S"},
                                                  {"opened", 1900},
                                                  {"place", Entity::embedded({{"sea", true}})},
                                                  {"doors", Array{point(1), point(2)}}})},
                       {"hidden", unindexed(Entity::make(Key("Shop", id("k")), {{"name", "H"}, {"owner", "O"}}))}});
}

TEST(StructsTest, WhatAClassDoesNotKnowSurvives) {
  const Entity stored = with_unknown();
  Chain c = convert<Chain>(stored);
  c.edit().main.name = "T";
  c.edit().main.doors[1].y = 9;
  c.edit().hidden.name = "I";
  const Entity back = convert<Entity>(c);
  for (const std::string_view name : {"new_text", "new_array", "new_entity", "new_zipped", "dotted.name"}) {
    EXPECT_EQ(back[name], stored[name]) << name;
    EXPECT_EQ(back[name].indexed(), stored[name].indexed()) << name;
    EXPECT_EQ(back[name].meaning(), stored[name].meaning()) << name;
  }
  const Entity& main = back["main"].as_entity();
  EXPECT_EQ(main["opened"], 1900);
  EXPECT_EQ(main["name"], "T");
  EXPECT_EQ(main["place"].as_entity()["sea"], true);
  EXPECT_EQ(main["doors"].as_array()[1].as_entity()["extra"], 2);
  EXPECT_EQ(main["doors"].as_array()[1].as_entity()["yy"], 9.0);
  const auto hidden = decode<Entity>(Key("X", id(1)), back["hidden"].as_blob());
  EXPECT_EQ((*hidden)["owner"], "O");
  EXPECT_EQ(*detail::entity_key(back["hidden"].as_blob()), Key("Shop", id("k"))) << "the key of a struct is kept";

  // An element keeps its own unknown properties when it moves.
  c.edit().main.doors.erase(c.edit().main.doors.begin());
  EXPECT_EQ(convert<Entity>(c)["main"].as_entity()["doors"].as_array()[0].as_entity()["extra"], 2);
  // A struct that is replaced does not inherit them.
  c.edit().main.place = Place{.city = "New"};
  EXPECT_FALSE(convert<Entity>(c)["main"].as_entity()["place"].as_entity().contains("sea"));

  const auto footprint = [](const auto& m) { return detail::HandleAccess::payload(m)->footprint(); };
  EXPECT_GT(footprint(c), footprint(Chain::make({})) + 50);
}

TEST(StructsTest, WhatAClassDoesNotKnowGoesThroughBothLayouts) {
  const Entity stored = with_unknown();
  const Entity older = convert<Entity>(convert<OlderChain>(stored));
  EXPECT_EQ(older["main.opened"], 1900);
  EXPECT_EQ(older["main.place.sea"], true);
  EXPECT_EQ(older["main.doors.extra"], (Array{1, 2}));
  EXPECT_EQ(older["new_array"], stored["new_array"]);
  const Entity newer = convert<Entity>(convert<Chain>(older));
  EXPECT_EQ(newer["main"].as_entity()["opened"], 1900);
  EXPECT_EQ(newer["main"].as_entity()["doors"].as_array()[1].as_entity()["extra"], 2);
  EXPECT_FALSE(newer.contains("main.opened"));

  // Where one element lacks what another has, there is a null.
  Chain uneven = convert<Chain>(stored);
  uneven.edit().main.doors.emplace(uneven.edit().main.doors.begin());
  EXPECT_EQ(convert<Entity>(convert<OlderChain>(uneven))["main.doors.extra"], (Array{nullptr, 1, 2}));
}

TEST(StructsTest, AClassCanDropWhatItDoesNotKnow) {
  using Strict = ChainOf<false, false>;
  const Entity back = convert<Entity>(convert<Strict>(with_unknown()));
  EXPECT_EQ(back.size(), 6u);
  EXPECT_FALSE(back.contains("new_text"));
  EXPECT_FALSE(back["main"].as_entity().contains("opened"));
  EXPECT_EQ(back["main"].as_entity()["name"], "S");
}

TEST(StructsTest, WhatIsNotKnownCountsInComparisons) {
  const Key key("Chain", id("c"));
  const auto read = [&](std::string_view bytes) { return decode<Chain>(key, bytes).value(); };
  const auto bytes = [](Entity::Properties p) { return encode(Entity::embedded(std::move(p))).value(); };
  const std::string a = bytes({{"a", 1}}), b = bytes({{"b", 2}});
  EXPECT_EQ(read(a + b), read(b + a));
  EXPECT_NE(read(a), read(b));
  EXPECT_NE(read(a), read(a + b));
  EXPECT_NE(read(a), read(""));
}

// ---- Compressed characters

class Packed : public Model<Packed> {
 public:
  struct Properties {
    Text text{};
    Blob blob{};
    Json json{};
    std::optional<Text> maybe{};
    std::vector<Text> many{};
  };
  NDB_MODEL((text, .compressed = true), (blob, .compressed = true), (json, .compressed = true),
            (maybe, .compressed = true), (many, .compressed = true))
};
class Plain : public Model<Plain> {
 public:
  struct Properties {
    Text text{};
    Blob blob{};
    Json json{};
    std::string name{};
  };
  NDB_MODEL(text, blob, json, name)
  static constexpr auto _kind = "Packed";
};

TEST(StructsTest, CompressedPropertiesAreZlibWithAMeaning) {
  const std::string large(3'000'000, 'x');  // more than an entity may have, before it is compressed
  const Packed p = Packed::make({.text = large, .blob = Blob("b"), .json = {"{}"}, .many = {"a", ""}}, id(1));
  const Entity e = convert<Entity>(p);
  for (const std::string_view name : {"text", "blob", "json"}) {
    EXPECT_EQ(e[name].meaning(), 22) << name;
    EXPECT_FALSE(e[name].indexed()) << name;
    EXPECT_TRUE(detail::looks_deflated(e[name].as_blob())) << name;
  }
  EXPECT_TRUE(e["maybe"].is_null());
  EXPECT_EQ(convert<Packed>(e), p);
  // A class without the option reads compressed values too, and one with it reads uncompressed ones.
  const Plain plain = convert<Plain>(e);
  EXPECT_EQ(plain->text, large);
  const Packed back = convert<Packed>(Entity::make(e.key(), {{"text", Text("t")}, {"blob", Blob("b")}}));
  EXPECT_EQ(back->text, "t");
  EXPECT_EQ(back->blob, "b");
  // Other clients lose the meaning.
  Entity unmarked = e;
  unmarked.edit()["text"].set_meaning(0);
  EXPECT_EQ(convert<Packed>(unmarked)->text, large);
  EXPECT_EQ(convert<Plain>(Entity::make(e.key(), {{"blob", Blob("x\x9c")}}))->blob, "x\x9c");
}

TEST(StructsTest, BadCompressedBytesAreAnError) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  const std::string good = detail::deflated("some text that is long enough to have a body");
  const auto read = [](std::string bytes) {
    return decode<Packed>(
        Key("Packed", id(1)),
        encode(Entity::embedded({{"text", unindexed(Value(Blob(std::move(bytes))).set_meaning(22))}})).value());
  };
  EXPECT_TRUE(read(good).ok());
  EXPECT_FALSE(read(good + "x").ok());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read(good.substr(0, size)).ok());
  for (int i = 0; i < 200; ++i) {
    std::string bytes = good;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    (void)read(bytes);  // an error, or text that is as it is
  }
  // A compressed megabyte could inflate to a gigabyte.
  const auto bomb = read(detail::deflated(std::string(65 << 20, '\0')));
  ASSERT_FALSE(bomb.ok());
  EXPECT_THAT(std::string(bomb.status().message()), HasSubstr("makes the entity larger than 64 MiB in memory"));
  EXPECT_THAT(std::string(bomb.status().message()), HasSubstr("\"text\" of Packed"));
}

// ---- Both layouts hold the same

class RandomChains {
 public:
  explicit RandomChains(std::random_device::result_type seed) : random_(seed) {}

  template <class M>
  M make() {
    std::vector<Place> places(pick(4));
    for (Place& p : places) p = place();
    std::optional<Shop> spare;
    if (pick(2) == 0) spare = shop();
    return M::make({.main = shop(), .spare = spare, .places = places, .hidden = shop(), .packed = place()}, id(1));
  }

 private:
  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  Point point() { return {static_cast<double>(pick(9)), static_cast<double>(pick(9))}; }
  Place place() {
    Place p{.city = cat("c", pick(9)), .point = point()};
    if (pick(2) == 0) p.zip = pick(9);
    return p;
  }
  Shop shop() {
    Shop s{.name = cat("n", pick(9)), .tags = std::vector<std::string>(pick(3), "t")};
    if (pick(2) == 0) s.place = place();
    for (std::uint32_t n = pick(3); n > 0; --n) s.doors.push_back(point());
    return s;
  }
  std::mt19937 random_;
};

TEST(StructsTest, BothLayoutsHoldTheSame) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(cat("seed ", seed));
  RandomChains random(seed);
  for (int i = 0; i < 300; ++i) {
    const Chain newer = random.make<Chain>();
    const OlderChain older = convert<OlderChain>(newer);
    EXPECT_EQ(convert<Chain>(older), newer) << convert<Entity>(older);
    EXPECT_EQ(convert<OlderChain>(convert<Entity>(older)), older);
  }
}

}  // namespace
}  // namespace ndb
