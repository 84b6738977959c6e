// Entities as JSON and as text, and several properties set at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "base/strings.h"
#include "model/coding.h"
#include "ndb/model.h"

namespace ndb {
namespace {

using namespace std::chrono_literals;
using testing::convert;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

struct Home {
  std::string city{};
  std::optional<std::int64_t> zip{};
  std::string label() const { return city + "!"; }
  NDB_PROPERTIES(Home, (city, .name = "c"), zip, label)
};
class Everything : public Model<Everything> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::uint8_t small = 0;
    bool flag = false;
    double real = 0;
    Text text{};
    Blob blob{};
    Json json{};
    GeoPoint place{};
    Timestamp when{};
    Date day{};
    TimeOfDay time{};
    Key ref{};
    Value any{};
    std::optional<std::int64_t> maybe{};
    std::vector<std::string> tags{};
    std::vector<std::optional<std::int64_t>> gaps{};
    std::vector<Blob> blobs{};
    Home home{};
    std::optional<Home> spare{};
    std::vector<Home> homes{};
    Expando others{};
    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL((name, .name = "n"), age, small, flag, real, (text, .compressed = true), blob, json, place, when, day, time,
            ref, any, maybe, tags, gaps, blobs, home, (spare, .local = true), homes, others, initial)
};

Everything full() {
  return Everything::make({.name = "Ada \"\xc3\xa9\"",
                           .age = INT64_MIN,
                           .small = 255,
                           .flag = true,
                           .real = 0.1,
                           .text = "t",
                           .blob = Blob(std::string("\0\xff", 2)),
                           .json = {R"({"a":[1,2.5,null]})"},
                           .place = {52.5, -13.25},
                           .when = Timestamp(1767323045678901us),
                           .day = Date(std::chrono::year(1969) / 7 / 20),
                           .time = {3h + 4min + 5s + 600ms},
                           .ref = Key("A", id("b"), {.project = "p", .database = "", .namespace_ = "ns"}),
                           .any = Array{1, "x", Blob("b"), Timestamp(5s), GeoPoint{1, 2}},
                           .maybe = 7,
                           .tags = {"a", "b"},
                           .gaps = {1, std::nullopt},
                           .blobs = {Blob("x")},
                           .home = {.city = "Rome", .zip = 1},
                           .spare = Home{.city = "Oslo"},
                           .homes = {{.city = "A"}, {.zip = 2}},
                           .others = {{"bar", 2.0}, {"inner", Entity::embedded({{"k", Blob("v")}})}}},
                          id("e"));
}

TEST(JsonTest, IsAnObjectByTheNamesOfTheFields) {
  EXPECT_EQ(full().to_json(),
            R"({"name":"Ada \"é\"","age":-9223372036854775808,"small":255,"flag":true,"real":0.1,"text":"t",)"
            R"("blob":"AP8=","json":{"a":[1,2.5,null]},"place":{"latitude":52.5,"longitude":-13.25},)"
            R"("when":"2026-01-02T03:04:05.678901Z","day":"1969-07-20","time":"03:04:05.600000",)"
            R"("ref":")" +
                full()->ref.urlsafe() +
                R"(","any":[1,"x",{"blobValue":"Yg=="},{"timestampValue":"1970-01-01T00:00:05Z"},)"
                R"({"geoPointValue":{"latitude":1.0,"longitude":2.0}}],"maybe":7,"tags":["a","b"],"gaps":[1,null],)"
                R"("blobs":["eA=="],"home":{"city":"Rome","zip":1,"label":"Rome!"},)"
                R"("spare":{"city":"Oslo","zip":null,"label":"Oslo!"},)"
                R"("homes":[{"city":"A","zip":null,"label":"A!"},{"city":"","zip":2,"label":"!"}],"initial":"A",)"
                R"("bar":2.0,"inner":{"entityValue":{"k":{"blobValue":"dg=="}}}})");
  EXPECT_EQ(full().to_json({.include = {"age", "flag", "tags"}, .exclude = {"flag"}}),
            R"({"age":-9223372036854775808,"tags":["a","b"]})");
  EXPECT_EQ(full().to_json({.include = {"age"}, .indent = 2}), "{\n  \"age\": -9223372036854775808\n}");
  EXPECT_THROW(Everything().to_json(), Error);
}

TEST(JsonTest, IsReadBackAsItWas) {
  for (const Everything& e : {full(), Everything::make({}, id("e"))}) {
    EXPECT_EQ(Everything::from_json(e.to_json(), id("e")), e) << e.to_json();
    EXPECT_EQ(Everything::from_json(e.to_json({.indent = 4}), e.key()), e);
  }
  for (const double real :
       {0.1, 1e300, -0.0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 5e-324}) {
    Everything e = Everything::make({.real = real, .any = real}, id(1));
    EXPECT_EQ(Everything::from_json(e.to_json(), id(1)), e) << e.to_json();
  }
  for (const double real : {1e15, 1e16, 123456789012345680.0, 12345678901234567168.0, 1e-7, 2.0}) {
    Everything e = Everything::make({.real = real, .others = {{"x", real}}}, id(1));
    EXPECT_EQ(Everything::from_json(e.to_json(), id(1)), e) << e.to_json();
  }
  const Everything nan = Everything::make({.real = std::nan("")}, id(1));
  EXPECT_TRUE(std::isnan(Everything::from_json(nan.to_json())->real));
  const Entity entity = convert<Entity>(full());
  Entity back = Entity::make(entity.key());
  back.populate_json(entity.to_json());
  EXPECT_EQ(back.properties(), entity.properties());
}

TEST(JsonTest, PopulateChangesWhatIsNamed) {
  Everything e = full();
  e.populate_json(R"({"age": 5, "homes": [{"zip": 9}], "spare": null, "maybe": null, "tags": "one", "when":
                      "2026-01-02T05:04:05.678901234+02:00", "initial": "ignored", "real": 3, "extra": {"a": 1}})");
  EXPECT_EQ(e->age, 5);
  EXPECT_EQ(e->homes.size(), 1u);
  EXPECT_EQ(e->homes[0].zip, 9);
  EXPECT_FALSE(e->spare);
  EXPECT_FALSE(e->maybe);
  EXPECT_THAT(e->tags, ElementsAre("one"));
  EXPECT_EQ(e->when, full()->when);
  EXPECT_EQ(e->real, 3);
  EXPECT_EQ(e->others.at("extra"), Value(Entity::embedded({{"a", 1}})));
  EXPECT_EQ(e->name, full()->name);
}

class Strict : public Model<Strict> {
 public:
  struct Properties {
    std::int64_t n = 0;
    std::uint8_t small = 0;
    Timestamp when{};
    Date day{};
    TimeOfDay time{};
    Key ref{};
    Blob blob{};
    GeoPoint place{};
    double real = 0;
    Home home{};
    std::vector<Home> homes{};
  };
  NDB_MODEL(n, small, when, day, time, ref, blob, place, real, home, homes)
};

TEST(JsonTest, ErrorsNameModelPropertyAndValueAndChangeNothing) {
  const struct {
    std::string json, message;
  } cases[] = {
      {"", "an entity of Strict is given \"\", which is no JSON object"},
      {"[1]", "which is no JSON object"},
      {"{\"n\": 1", "which is no JSON object"},
      {"{\"n\": 1} x", "which is no JSON object"},
      {std::string(100000, '['), "which is no JSON object"},
      {"{\"n\":" + std::string(100000, '['), "which is no JSON object"},
      {R"({"nn": 1})", "property \"nn\" of Strict is not a property of the class"},
      {R"({"n": "x"})", "property \"n\" of Strict is declared as an integer, but the value \"x\" is of type string"},
      {R"({"n": 1.5})", "property \"n\" of Strict is declared as an integer, but the value 1.5 is of type double"},
      {R"({"n": {"a": 1}})", R"(property "n" of Strict is given {"a":1}, which is not a single value)"},
      {R"({"n": 18446744073709551615})", "18446744073709551615, which is not an int64"},
      {R"({"small": 256})", "\"small\" of Strict is stored as 256, which does not fit"},
      {R"({"when": "yesterday"})", R"(property "when" of Strict is given "yesterday", which is not a time like)"},
      {R"({"when": "2026-02-30T00:00:00Z"})", "which is not a time like"},
      {R"({"when": "2026-01-01T24:00:00Z"})", "which is not a time like"},
      {R"({"when": "2026-01-01T00:00:00"})", "which is not a time like"},
      {R"({"day": "2026-1-1"})", "which is not a date like"},
      {R"({"time": "25:00:00"})", "which is not a time of day like"},
      {R"({"ref": "%%"})", "which is not the urlsafe text of a key"},
      {R"({"blob": "*"})", "which is not base64 text"},
      {R"({"place": {"latitude": 1}})", "which is not a point"},
      {R"({"real": "x"})", "which is not a number"},
      {R"({"real": 1e400})", R"("real" of Strict is given 1e400, which is not a number that a double can hold)"},
      {R"({"n": 1)" + std::string(400, '0') + "}", "0..., which is not an int64"},
      {R"({"home": {"city": "\ud800"}})",
       R"("home.city" of Strict is given "\ud800", which is not text: it has a half)"},
      {R"({"\udc00": 1})", "has a name with a half of a character"},
      {R"({"home": 1})", R"(property "home" of Strict is given 1, which is not an object)"},
      {R"({"homes": [{"city": 3}]})", "\"homes.c\" of Strict is declared as std::string, but the value 3"},
      {R"({"homes": [{"town": 3}]})", "property \"homes.town\" of Strict is not a property of the class"},
  };
  const Strict before = Strict::make({.n = 1, .home = {.city = "Rome"}}, id(1));
  for (const auto& c : cases) {
    SCOPED_TRACE(c.json.substr(0, 100));
    Strict e = before;
    EXPECT_THAT(message_of<BadValueError>([&] { e.populate_json(c.json); }), HasSubstr(c.message));
    EXPECT_EQ(e, before);
  }
}

TEST(JsonTest, AJsonTextIsStoredUnchanged) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& text :
       {std::string(R"({"mean":NaN})"), std::string("[Infinity,-Infinity]"), std::string(R"({"s":"\ud800"})"),
        std::string(R"(["\udc00\ud800x"])"), std::string("1e400"), std::string("-0"), std::string("1.50e+01"),
        "1" + std::string(400, '0'), std::string("18446744073709551616"), std::string("-9223372036854775809"),
        std::string(64, '[') + std::string(64, ']'), std::string(65, '[') + std::string(65, ']'), deep,
        std::string(R"({"a":1,"a":2})"), std::string("null"), std::string(R"("\u00e9\/")")}) {
    SCOPED_TRACE(text.substr(0, 100));
    Everything e = Everything::make({.json = {text}}, id(1));
    EXPECT_TRUE(testing::prepare(e).ok()) << "a put takes it";
    EXPECT_THAT(e.to_json({.include = {"json"}}), text == "null" ? R"({"json":null})" : R"({"json":)" + text + "}");
    if (text != "null") {
      EXPECT_EQ(Everything::from_json(e.to_json(), id(1))->json.text, text);
    }
  }
  const Everything spaced = Everything::make({.json = {"{ \"a b\" :\n[ 1 , \"\\\" \" ] }"}});
  EXPECT_EQ(spaced.to_json({.include = {"json"}}), R"({"json":{"a b":[1,"\" "]}})");
  const Everything none = Everything::make({.json = {"{a:1}"}});
  EXPECT_EQ(none.to_json({.include = {"json"}}), R"({"json":"{a:1}"})") << "what is no JSON is shown as text";
}

// A megabyte must take linear work: if each name were compared with those before it, this would take minutes.
TEST(JsonTest, ManyNames) {
  constexpr int kNames = 200'000;
  std::string json = "{";
  Entity::Properties properties;
  for (int i = 0; i < kNames; ++i) {
    json += cat(i > 0 ? "," : "", '"', i, "\":1");
    properties[std::to_string(i)] = 1;
  }
  json += "}";
  Entity entity = Entity::make(Key("K", id(1)));
  entity.populate_json(json);
  EXPECT_EQ(entity.properties(), properties);
  Entity again = Entity::make(Key("K", id(1)));
  JsonOptions all;
  for (int i = 0; i < kNames; ++i) all.include.push_back(std::to_string(i));
  again.populate_json(entity.to_json(all));
  EXPECT_EQ(again.properties(), properties);
  Strict strict = Strict::make({});
  EXPECT_THAT(message_of<BadValueError>([&] { strict.populate_json(json); }), HasSubstr("\"0\" of Strict is not a"));
  std::string twice = "{";
  for (int i = 0; i < kNames; ++i) twice += cat(i > 0 ? "," : "", "\"n\":", i);
  strict.populate_json(twice + "}");
  EXPECT_EQ(strict->n, kNames - 1) << "of two with one name the last counts";
}

TEST(JsonTest, InvalidUtf8AndTooDeepValuesAreRefusedByName) {
  const Entity bytes = Entity::make(Key("K", id(1)), {{"a", Entity::embedded({{"b", Array{1, "x\xff"}}})}});
  EXPECT_EQ(message_of<BadValueError>([&] { bytes.to_json(); }),
            "property \"a.b\" of K holds \"x\\xff\", which is not UTF-8, as JSON has to be");
  EXPECT_THAT(message_of<BadValueError>([] { Entity::make(Key("K", id(1)), {{"\xff", 1}}).to_json(); }),
              HasSubstr("which is not UTF-8"));
  const Everything json = Everything::make({.json = {"\"\xff\""}});
  EXPECT_THAT(message_of<BadValueError>([&] { json.to_json(); }), HasSubstr("property \"json\" of Everything holds"));
  EXPECT_EQ(json.to_json({.include = {"age"}}), R"({"age":0})") << "what is left out is not looked at";
  Value deep = 1;
  for (int i = 0; i < 100; ++i) deep = Entity::embedded({{"x", deep}});
  EXPECT_THAT(message_of<BadValueError>([&] { Entity::make(Key("K", id(1)), {{"x", deep}}).to_json(); }),
              HasSubstr("is nested too deeply"));
  Entity entity = Entity::make(Key("K", id(1)));
  std::string text = "1";
  for (int i = 0; i < 100; ++i) text = cat("{\"x\":", text, "}");
  EXPECT_THAT(message_of<BadValueError>([&] { entity.populate_json(text); }), HasSubstr("is nested too deeply"));
}

TEST(JsonTest, PrintsItsProperties) {
  std::ostringstream out;
  out << Everything::make({.name = "Ada", .tags = {"x"}, .home = {.city = "Rome"}}, id("ada"));
  EXPECT_THAT(out.str(), HasSubstr("Everything(Key('Everything', 'ada'), {name: \"Ada\", age: 0, "));
  EXPECT_THAT(out.str(), HasSubstr("tags: [\"x\"], "));
  EXPECT_THAT(out.str(), HasSubstr("home: Entity({c: \"Rome\", label: \"Rome!\", zip: null}), "));
  EXPECT_EQ(Everything().to_string(), "no entity");
  EXPECT_EQ(detail::HandleAccess::wrap<Everything>(Key("Everything", id(1)), {}).to_string(),
            "no entity as Key('Everything', 1)");
  const Everything bad = Everything::make({.name = "\xff"}, id(1));
  EXPECT_THAT(bad.to_string(), HasSubstr("which is not UTF-8")) << "printing does not throw";
}

TEST(JsonTest, PopulateSetsSeveralProperties) {
  Everything e = full();
  const Everything before = e;
  std::string name = "Bob";
  e.populate(Everything::name(name), Everything::age(7), Everything::maybe(std::nullopt), Everything::real(2),
             Everything::tags(std::vector<std::string>{"x"}), Everything::small(3), Everything::text("long"),
             Everything::home(Home{.city = "Bonn"}), Everything::when(Timestamp(1s)));
  EXPECT_EQ(e->name, "Bob");
  EXPECT_EQ(e->age, 7);
  EXPECT_FALSE(e->maybe);
  EXPECT_EQ(e->real, 2.0);
  EXPECT_THAT(e->tags, ElementsAre("x"));
  EXPECT_EQ(e->small, 3);
  EXPECT_EQ(e->home.city, "Bonn");
  EXPECT_EQ(e->flag, true);
  EXPECT_EQ(before, full());
  EXPECT_EQ(message_of<BadValueError>([&] { e.populate(Everything::small(256)); }),
            "the value 256 does not fit into the property \"small\"");
}

}  // namespace
}  // namespace ndb
