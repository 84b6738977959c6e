#include "ndb/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/strings.h"
#include "model/coding.h"
#include "ndb/entity.h"
#include "ndb/error.h"

namespace ndb {
namespace {

using namespace std::chrono_literals;
using testing::convert;
using testing::decode;
using ::testing::ElementsAre;
using testing::encode;
using ::testing::HasSubstr;

struct Geo {
  double lat = 0, lng = 0;
  NDB_PROPERTIES(Geo, lat, lng)
};
struct Address {
  std::string city{};
  std::optional<std::string> name{};
  Geo geo{};
  std::vector<std::string> lines{};
  std::string label() const { return city + "!"; }
  NDB_PROPERTIES(Address, city, (name, .name = "n"), geo, (lines, .indexed = false), label)
};

class Everything : public Model<Everything> {
 public:
  struct Properties {
    bool flag = false;
    std::int8_t tiny = 0;
    std::uint8_t byte = 0;
    std::int16_t small = 0;
    std::uint32_t medium = 0;
    std::int64_t big = 0;
    std::uint64_t unsigned_big = 0;
    float single = 0;
    double real = 0;
    std::string name{};
    Text text{};
    Blob blob{};
    Json json{};
    GeoPoint place{};
    Timestamp when{};
    Key ref{};
    Value any{};
    std::optional<std::int64_t> maybe_int{};
    std::optional<std::string> maybe_name{};
    std::optional<Key> maybe_ref{};
    std::vector<bool> flags{};
    std::vector<std::int32_t> numbers{};
    std::vector<std::string> tags{};
    std::vector<Text> texts{};
    std::vector<std::optional<std::int64_t>> gaps{};
    std::vector<Key> refs{};
    Address home{};
    std::optional<Address> work{};
    std::vector<Address> others{};
    std::string hidden{};
    std::int64_t renamed = 0;
    std::string initial() const { return name.substr(0, 1); }
    std::vector<std::int64_t> doubled() const { return {2 * big, 2 * big + 1}; }
  };
  NDB_MODEL(flag, tiny, byte, small, medium, big, unsigned_big, single, real, name, text, blob, json, place, when, ref,
            any, maybe_int, maybe_name, maybe_ref, flags, numbers, tags, texts, gaps, refs, home, work, others,
            (hidden, .indexed = false), (renamed, .name = "other_name"), initial, doubled)
};

Everything full() {
  Everything e = Everything::make({}, id("e"));
  auto& p = e.edit();
  p = {.flag = true,
       .tiny = -128,
       .byte = 255,
       .small = -32768,
       .medium = 4000000000u,
       .big = INT64_MIN,
       .unsigned_big = INT64_MAX,
       .single = 1.5f,
       .real = -0.1,
       .name = "Ada",
       .text = Text(std::string(2000, 't')),
       .blob = Blob(std::string("\0\xff", 2)),
       .json = {R"({"a":1})"},
       .place = {52.5, 13.25},
       .when = Timestamp(-1us),
       .ref = Key("A", id(1)),
       .any = Array{1, "x"},
       .maybe_int = 5,
       .maybe_name = "",
       .maybe_ref = Key("B", id("b")),
       .flags = {true, false, true},
       .numbers = {1, -2, 3},
       .tags = {"a", "", "b"},
       .texts = {Text("t")},
       .gaps = {1, std::nullopt, 3},
       .refs = {Key("A", id(1)), Key("A", id(2))},
       .home = {.city = "London", .name = "N", .geo = {1, 2}, .lines = {"l1", "l2"}},
       .work = Address{.city = "Paris"},
       .others = {{.city = "Rome"}, {.city = "Oslo", .lines = {"x"}}},
       .hidden = std::string(1501, 'h'),
       .renamed = 9};
  p.big /= 2;  // doubled() doubles it
  return e;
}

TEST(ModelTest, EveryTypeRoundTrips) {
  for (const Everything& e : {Everything::make({}, id("e")), full()}) {
    const Everything back = convert<Everything>(e);
    EXPECT_EQ(back, e);
    EXPECT_EQ(encode(back).value(), encode(e).value());
  }
  const Everything back = convert<Everything>(full());
  EXPECT_EQ(back->tiny, -128);
  EXPECT_EQ(back->medium, 4000000000u);
  EXPECT_EQ(back->unsigned_big, static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_EQ(back->blob, std::string("\0\xff", 2));
  EXPECT_EQ(back->when, Timestamp(-1us));
  EXPECT_EQ(back->any.as_array().size(), 2u);
  EXPECT_EQ(back->flags, std::vector<bool>({true, false, true}));
  EXPECT_THAT(back->gaps, ElementsAre(1, std::nullopt, 3));
  EXPECT_EQ(back->home.geo.lng, 2);
  EXPECT_EQ(back->work->city, "Paris");
  EXPECT_EQ(back->others[1].lines, std::vector<std::string>{"x"});
  EXPECT_EQ(back->renamed, 9);
}

TEST(ModelTest, IsStoredAsTheDatastoresTypes) {
  const Entity e = convert<Entity>(full());
  EXPECT_EQ(e.size(), 33u);
  EXPECT_EQ(e["byte"], 255);
  EXPECT_EQ(e["single"], 1.5);
  EXPECT_EQ(e["json"], Blob(R"({"a":1})"));
  EXPECT_EQ(e["other_name"], 9);
  EXPECT_EQ(e["initial"], "A");
  EXPECT_EQ(e["doubled"].as_array().size(), 2u);
  EXPECT_EQ(e["home"].as_entity()["n"], "N");
  EXPECT_EQ(e["home"].as_entity()["label"], "London!");
  EXPECT_FALSE(e["home"].as_entity().key());
  EXPECT_EQ(e["others"].as_array()[0].as_entity()["geo"].as_entity()["lat"], 0.0);
  for (const auto& [name, value] : e) {
    const bool unindexed_type = name == "text" || name == "blob" || name == "json" || name == "hidden";
    EXPECT_EQ(value.indexed(), !unindexed_type) << name;
  }
  EXPECT_FALSE(e["texts"].as_array()[0].indexed());
  EXPECT_FALSE(e["home"].as_entity()["lines"].as_array()[0].indexed());

  const Entity unset = convert<Entity>(Everything::make({}, id("e")));
  for (const std::string_view name : {"ref", "any", "maybe_int", "json", "work"}) EXPECT_TRUE(unset[name].is_null());
  EXPECT_EQ(unset["tags"], Array{});
}

TEST(ModelTest, NullAndMissingPropertiesKeepTheirDefaults) {
  const Key key("Everything", id("e"));
  Entity::Properties nulls;
  for (const auto& [name, value] : convert<Entity>(full())) nulls[name] = nullptr;
  const Everything defaults = Everything::make(key, {});
  EXPECT_EQ(convert<Everything>(Entity::make(key, nulls)), defaults);
  EXPECT_EQ(convert<Everything>(Entity::make(key, {})), defaults);
}

TEST(ModelTest, ReadsWhatOtherWritersStore) {
  const Key key("Everything", id("e"));
  const Everything e = convert<Everything>(Entity::make(key, {{"real", 2},                  // one number type
                                                              {"when", 1500},               // a projection
                                                              {"json", "{}"},               // a projection
                                                              {"name", Blob("bytes")},      // NDB reads it
                                                              {"tags", "single"},           // became repeated later
                                                              {"initial", Array{1, 2}}}));  // computed: not read
  EXPECT_EQ(e->real, 2.0);
  EXPECT_EQ(e->when, Timestamp(1500us));
  EXPECT_EQ(e->json.text, "{}");
  EXPECT_EQ(e->name, "bytes");
  EXPECT_THAT(e->tags, ElementsAre("single"));
}

TEST(ModelTest, OfTwoPropertiesWithOneNameTheLastCounts) {
  const Key key("Everything", id("e"));
  const auto bytes = [](Entity::Properties properties) {
    return encode(Entity::embedded(std::move(properties))).value();
  };
  const auto e = decode<Everything>(
      key, bytes({{"tags", Array{"a", "b"}}, {"name", "x"}, {"home", Entity::embedded({{"city", "A"}})}}) +
               bytes({{"tags", Array{"c"}}, {"name", "y"}, {"home", Entity::embedded({{"n", "B"}})}}));
  ASSERT_TRUE(e.ok()) << e.status();
  EXPECT_THAT((*e)->tags, ElementsAre("c"));
  EXPECT_EQ((*e)->name, "y");
  EXPECT_EQ((*e)->home.city, "");
  EXPECT_EQ((*e)->home.name, "B");
}

TEST(ModelTest, WrongTypesNamePropertyTypesAndKey) {
  const Key key("Everything", id("e"));
  const auto home = [](Entity::Properties p) { return Value(Entity::embedded(std::move(p))); };
  const struct {
    std::string name;
    Value value;
    std::string message;
  } cases[] = {
      {"flag", 1, "\"flag\" of Everything is declared as bool, but the value 1 is of type int64"},
      {"big", 1.0, "\"big\" of Everything is declared as an integer, but the value 1 is of type double"},
      {"big", "1", "of type string"},
      {"tiny", 128, "128, which does not fit into a signed integer of 8 bits"},
      {"byte", -1, "-1, which does not fit into an unsigned integer of 8 bits"},
      {"byte", 256, "256"},
      {"medium", INT64_MAX, "32 bits"},
      {"unsigned_big", -1, "64 bits"},
      {"real", "x", "declared as double"},
      {"real", (std::int64_t{1} << 53) + 1, "9007199254740993, which a double cannot hold"},
      {"real", INT64_MAX, "9223372036854775807, which a double cannot hold"},
      {"single", 16777217, "16777217, which a float cannot hold; declare it as ndb::Value or double"},
      {"single", 1e39, "1e+39, which a float cannot hold"},
      {"single", -1e300, "-1e+300, which a float cannot hold"},
      {"name", 1, "declared as std::string"},
      {"name", Value(Blob("x\x9c")).set_meaning(22), "stored as 2 compressed bytes, which are no zlib data"},
      {"text", true, "declared as ndb::Text"},
      {"blob", GeoPoint(), "declared as ndb::Blob, but the value GeoPoint(0, 0) is of type GeoPoint"},
      {"json", 1, "declared as ndb::Json"},
      {"place", "x", "declared as ndb::GeoPoint"},
      {"when", "2026", "declared as ndb::Timestamp"},
      {"ref", "key", "declared as ndb::Key"},
      {"maybe_ref", 7, "\"maybe_ref\" of Everything is declared as ndb::Key"},
      {"numbers", Array{1, "x"}, "\"numbers\" of Everything is declared as an integer"},
      {"tags", Array{Key("A", id(1))}, "of type key"},
      {"home", "London", "\"home\" of Everything is declared as a struct"},
      {"home", home({{"city", 3}}), "\"home.city\" of Everything is declared as std::string"},
      {"others", Array{home({}), home({{"geo", home({{"lat", "x"}})}})}, "\"others.geo.lat\" of Everything"},
      {"other_name", "x", "\"other_name\""},
  };
  for (const auto& c : cases) {
    const auto decoded = decode<Everything>(key, encode(Entity::make(key, {{c.name, c.value}})).value());
    ASSERT_FALSE(decoded.ok()) << c.name << " " << c.value;
    EXPECT_THAT(std::string(decoded.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(decoded.status().message()), HasSubstr("Key('Everything', 'e')"));
    EXPECT_THROW(throw_error(decoded.status()), BadValueError);
  }
}

TEST(ModelTest, RefusesWhatTheDatastoreRefuses) {
  const struct {
    std::function<void(Everything::Properties&)> set;
    std::string message;
  } cases[] = {
      {[](auto& p) { p.unsigned_big = UINT64_MAX; }, "\"unsigned_big\" of Everything is 18446744073709551615"},
      {[](auto& p) { p.name = std::string(1501, 'x'); }, "\"name\" of Everything is a string of 1501 bytes"},
      {[](auto& p) { p.text = Text(std::string(1048488, 'x')); }, "1048487 are allowed"},
      {[](auto& p) { p.others.push_back({.lines = {"\xff"}}); }, "\"others.lines\""},
      {[](auto& p) { p.ref = Key("A", {}); }, "\"ref\" of Everything holds Key('A', None), which has no id"},
      {[](auto& p) { p.place.latitude = 91; }, "\"place\""},
  };
  for (const auto& c : cases) {
    Everything e = Everything::make({}, id("e"));
    c.set(e.edit());
    const auto bytes = encode(e);
    ASSERT_FALSE(bytes.ok()) << c.message;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr("Key('Everything', 'e')"));
  }
}

TEST(ModelTest, TruncatedBytesGiveAStatus) {
  const std::string bytes = encode(full()).value();
  int refused = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of its own, so that a sanitizer detects a read past the end.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto decoded = decode<Everything>(Key("Everything", id("e")), {cut.data(), cut.size()});
    refused += !decoded.ok();
    if (!decoded.ok()) {
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss);
    }
  }
  EXPECT_GT(refused, static_cast<int>(bytes.size()) / 2);
}

// ---- Handles

TEST(ModelTest, EditingOneHandleNeverShowsInAnother) {
  Everything ada = Everything::make({.name = "Ada"}, id("ada"));
  const auto* const at = &ada->name;
  ada.edit().big = 1;
  EXPECT_EQ(&ada->name, at) << "the only owner edits in place";
  const Everything kept_before = ada;  // an edited payload is copied, not shared
  auto& kept = ada.edit();
  const Everything copy = ada;
  kept.big = 2;
  EXPECT_EQ(ada->big, 2);
  EXPECT_EQ(copy->big, 1);
  EXPECT_EQ(kept_before->big, 1);
  const Everything shared = copy;
  EXPECT_EQ(&shared->name, &copy->name) << "reading never copies";
  Everything edited = shared;
  edited.edit().big = 3;
  EXPECT_EQ(copy->big, 1);
  EXPECT_EQ(edited->name, "Ada");
  EXPECT_NE(edited, copy);
  EXPECT_EQ(shared, copy);
}

TEST(ModelTest, HandlesOfOnePayloadBelongToDifferentThreads) {
  const Everything shared = convert<Everything>(full());
  std::vector<std::thread> threads;
  std::array<std::int64_t, 4> sums{};
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&sum = sums[t], handle = shared]() mutable {
      for (int i = 0; i < 1000; ++i) {
        Everything mine = handle;
        mine.edit().renamed = i;
        sum += mine->renamed + handle->renamed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::int64_t sum : sums) EXPECT_EQ(sum, 1000 * 9 + 999 * 1000 / 2);
}

TEST(ModelTest, AnEmptyHandleSaysSo) {
  const auto none = detail::HandleAccess::wrap<Everything>(Key("Everything", id("x")), {});
  EXPECT_FALSE(none);
  try {
    (void)none->name;
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no such entity as Key('Everything', 'x')"));
  }
}

TEST(ModelTest, MakesKeysOfItsKind) {
  const Key parent("P", id(1));
  EXPECT_FALSE(Everything::make({}).key().is_complete());
  EXPECT_EQ(Everything::make({}, id(5)).key(), Key("Everything", id(5)));
  EXPECT_EQ(Everything::make({}, {}, parent).key(), Key("Everything", {}, parent));
  EXPECT_EQ(Everything::make({}, id("c"), parent).key(), key<Everything>("c", parent));
  EXPECT_EQ(Everything::make(key<Everything>(7), {}).key().integer_id(), 7);
  EXPECT_THROW(Everything::make(parent, {}), BadKeyError);
  EXPECT_THROW(Everything::make(Key(), {}), BadKeyError);
}

// ---- Kinds, flags, the registry

namespace shop {
class Plain : public Model<Plain> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};
class Flagged : public Model<Flagged> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  static constexpr Property<&Properties::n, PropertyOptions{.name = "number"}> n{};  // by hand
  static constexpr auto ndb_fields() { return Fields{n}; }
  static constexpr auto _kind = "ShopFlagged";
  static constexpr bool _use_cache = false;
  static bool _use_memcache(const Key& key) { return key.integer_id() == 1; }
  static constexpr auto _use_datastore = [](const Key& key) -> std::optional<bool> {
    if (key.integer_id() == 2) return false;
    return std::nullopt;
  };
  static constexpr std::optional<bool> _write_through = true;
  static constexpr std::chrono::seconds _memcache_timeout{30};
};
class Derived : public Model<Derived, Flagged> {
 public:
  struct Properties : Flagged::Properties {
    std::string extra{};
  };
  NDB_MODEL(extra)
  static constexpr int _memcache_timeout = 7;
};
template <class>
class Templated : public Model<Templated<int>> {
 public:
  struct Properties {
    int x = 0;
  };
  NDB_MODEL(x)
  static constexpr std::string_view _kind = "Templated";
};
class Twin1 : public Model<Twin1> {
 public:
  struct Properties {
    int x = 0;
  };
  NDB_MODEL(x)
  static constexpr auto _kind = "Twin";
};
class Twin2 : public Model<Twin2> {
 public:
  struct Properties {
    int y = 0;
  };
  NDB_MODEL(y)
  static constexpr auto _kind = "Twin";
};
class Rival1 : public Model<Rival1> {
 public:
  struct Properties {
    int x = 0;
  };
  NDB_MODEL(x)
  static constexpr auto _kind = "Rival";
  static constexpr int _memcache_timeout = 7;
};
class Rival2 : public Model<Rival2> {
 public:
  struct Properties {
    int x = 0;
  };
  NDB_MODEL(x)
  static constexpr auto _kind = "Rival";
  static constexpr int _memcache_timeout = 8;
};
}  // namespace shop

TEST(ModelTest, ClassesAreFoundByTheirKind) {
  EXPECT_EQ(*detail::find_model("Plain"), &detail::info<shop::Plain>());
  EXPECT_EQ(*detail::find_model("ShopFlagged"), &detail::info<shop::Flagged>());
  EXPECT_EQ(*detail::find_model("Derived"), &detail::info<shop::Derived>());
  EXPECT_EQ(*detail::find_model("Flagged"), nullptr);
  EXPECT_EQ(*detail::find_model(""), nullptr);
  EXPECT_TRUE(*detail::find_model("Twin") != nullptr);
  const auto rival = detail::find_model("Rival");
  ASSERT_FALSE(rival.ok());
  EXPECT_THAT(std::string(rival.status().message()), HasSubstr("\"Rival\" disagree"));
  EXPECT_THROW(throw_error(rival.status()), KindError);
  EXPECT_EQ(shop::Templated<int>::_get_kind(), "Templated");

  EXPECT_TRUE(detail::check_kind(Key("Plain", id(1)), detail::info<shop::Plain>()).ok());
  EXPECT_TRUE(detail::check_kind(Key("Whatever", id(1)), detail::info<Entity>()).ok());
  EXPECT_THROW(throw_error(detail::check_kind(Key("Other", id(1)), detail::info<shop::Plain>())), KindError);
}

TEST(ModelTest, FlagsAreConstantsOrCallables) {
  const Key one("K", id(1)), two("K", id(2));
  const detail::ModelInfo& flagged = detail::info<shop::Flagged>();
  EXPECT_EQ(flagged.use_cache(one), false);
  EXPECT_EQ(flagged.use_cache.ask, nullptr) << "a constant needs no call";
  EXPECT_EQ(flagged.use_memcache(one), true);
  EXPECT_EQ(flagged.use_memcache(two), false);
  EXPECT_EQ(flagged.use_datastore(one), std::nullopt);
  EXPECT_EQ(flagged.use_datastore(two), false);
  EXPECT_EQ(flagged.write_through(one), true);
  EXPECT_EQ(flagged.memcache_timeout(one)->milliseconds, 30s);

  const detail::ModelInfo& derived = detail::info<shop::Derived>();
  EXPECT_EQ(derived.use_cache(one), false) << "flags are inherited";
  EXPECT_EQ(derived.memcache_timeout(one)->milliseconds, 7s);

  const detail::ModelInfo& plain = detail::info<shop::Plain>();
  EXPECT_EQ(plain.use_cache(one), std::nullopt);
  EXPECT_EQ(plain.memcache_timeout(one), std::nullopt);
  EXPECT_TRUE(detail::info<Entity>().any_kind);
}

TEST(ModelTest, PlainInheritanceAddsProperties) {
  EXPECT_EQ(shop::Derived::_get_kind(), "Derived");
  const shop::Derived d = shop::Derived::make({{.n = 5}, "more"}, id(1));
  const Entity e = convert<Entity>(d);
  EXPECT_EQ(e, Entity::make("Derived", id(1), {{"number", 5}, {"extra", "more"}}));
  EXPECT_EQ(convert<shop::Derived>(e)->n, 5);
}

// ---- auto_now, hooks

class Stamped : public Model<Stamped> {
 public:
  struct Properties {
    Timestamp updated{};
    Timestamp created{};
    std::optional<Timestamp> seen{};
    Timestamp other{};
  };
  NDB_MODEL((updated, .auto_now = true), (created, .auto_now_add = true), (seen, .auto_now_add = true), other)
};

TEST(ModelTest, AutoNowIsSetByEveryPutAndAutoNowAddByTheFirst) {
  EXPECT_EQ(detail::info<Stamped>().preparation, detail::Preparation::kChanges);
  Stamped s = Stamped::make({});
  const Timestamp first(5s), second(6s);
  for (const Timestamp now : {first, second}) {
    detail::PayloadPtr& payload = detail::HandleAccess::payload(s);
    ASSERT_TRUE(detail::before_put(payload, s.key(), now).ok());
    EXPECT_EQ(s->updated, now);
    EXPECT_EQ(s->created, first);
    EXPECT_EQ(s->seen, first);
    EXPECT_EQ(s->other, Timestamp());
  }
}

std::vector<std::string> calls;

class Hooked : public Model<Hooked> {
 public:
  struct Properties {
    int n = 0;
  };
  NDB_MODEL(n)
  static void _pre_get_hook(const Key& key) { calls.push_back(cat("pre_get ", key.kind())); }
  static void _post_get_hook(const Key&, const absl::Status& status) { calls.push_back(cat("post_get ", status.ok())); }
  static void _pre_delete_hook(const Key& key) { calls.push_back(cat("pre_delete ", key.kind())); }
  static void _post_delete_hook(const Key&, const absl::Status& status) {
    calls.push_back(cat("post_delete ", status.ok()));
  }
  static void _pre_allocate_ids_hook(int count, const Key& parent) {
    calls.push_back(cat("pre_allocate_ids ", count, " ", parent.kind()));
  }
  static void _post_allocate_ids_hook(int count, const Key& parent, const absl::Status& status) {
    calls.push_back(cat("post_allocate_ids ", count, " ", parent.kind(), " ", status.ok()));
  }
  void _pre_put_hook() {
    if ((*this)->n < 0) throw BadValueError("negative");
    edit().n += 1;
  }
  void _post_put_hook(const absl::Status& status) const { calls.push_back(cat("post_put ", (*this)->n, status.ok())); }

 private:
  static std::string cat(const auto&... pieces) { return ndb::cat(pieces...); }
};

TEST(ModelTest, HooksAreFoundOnTheClass) {
  const detail::ModelInfo& info = detail::info<Hooked>();
  const Key key = ndb::key<Hooked>(1);
  calls.clear();
  Hooked h = Hooked::make(key, {.n = 1});
  info.pre_get(key);
  info.post_get(key, absl::OkStatus());
  info.pre_put(h);
  EXPECT_EQ(h->n, 2);
  EXPECT_EQ(h.key(), key);
  info.post_put(h, absl::CancelledError());
  info.pre_delete(key);
  info.post_delete(key, absl::OkStatus());
  info.pre_allocate_ids(3, key);
  info.post_allocate_ids(3, key, absl::OkStatus());
  EXPECT_THAT(calls, ElementsAre("pre_get Hooked", "post_get 1", "post_put 20", "pre_delete Hooked", "post_delete 1",
                                 "pre_allocate_ids 3 Hooked", "post_allocate_ids 3 Hooked 1"));

  h.edit().n = -1;
  EXPECT_THROW(info.pre_put(h), BadValueError);
  EXPECT_EQ(h->n, -1) << "the handle is whole after a hook that throws";

  const detail::ModelInfo& none = detail::info<Everything>();
  EXPECT_EQ(none.pre_get, nullptr);
  EXPECT_EQ(none.post_get, nullptr);
  EXPECT_EQ(none.pre_put, nullptr);
  EXPECT_EQ(none.post_put, nullptr);
  EXPECT_EQ(none.pre_delete, nullptr);
  EXPECT_EQ(none.post_delete, nullptr);
  EXPECT_EQ(none.pre_allocate_ids, nullptr);
  EXPECT_EQ(none.post_allocate_ids, nullptr);
}

TEST(ModelTest, FootprintGrowsWithTheContents) {
  const auto footprint = [](const Everything& e) { return detail::HandleAccess::payload(e)->footprint(); };
  Everything e = Everything::make({});
  const std::size_t empty = footprint(e);
  EXPECT_GE(empty, sizeof(Everything::Properties));
  e.edit().text = Text(std::string(10000, 'x'));
  e.edit().others.resize(10);
  EXPECT_GE(footprint(e), empty + 10000 + 10 * sizeof(Address));
}

}  // namespace
}  // namespace ndb
