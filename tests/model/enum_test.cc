// Enumerations as properties: by value, and by the names of NDB_ENUM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/coding.h"
#include "ndb/model.h"
#include "ndb/query.h"

namespace shades {
enum class Shade : std::uint8_t { light, kDark, unlisted };
NDB_ENUM(Shade, light, (kDark, .name = "dark"))
enum Level : int { kLow = -1, kHigh = 1 };
struct Lamp {
  enum class State { off, on };
};
NDB_ENUM(Lamp::State, off, on)
}  // namespace shades

namespace ndb {
namespace {

using shades::Lamp;
using shades::Level;
using shades::Shade;
using testing::convert;
using ::testing::ElementsAre;
using testing::encode;
using ::testing::HasSubstr;
using testing::message_of;

enum class Wide : std::uint64_t { kLast = UINT64_MAX };

struct Pane {
  Shade shade = Shade::light;
  NDB_PROPERTIES(Pane, shade)
};

class Window : public Model<Window> {
 public:
  struct Properties {
    Shade shade = Shade::light;
    Level level = shades::kLow;
    Lamp::State lamp = Lamp::State::off;
    std::optional<Shade> perhaps{};
    std::vector<Shade> many{};
    std::vector<Level> levels{};
    std::optional<Wide> wide{};
    Pane pane{};
    Shade opposite() const { return shade == Shade::light ? Shade::kDark : Shade::light; }
  };
  NDB_MODEL(shade, level, lamp, perhaps, many, levels, wide, pane, opposite)
};

Entity stored(Entity::Properties properties) { return Entity::make("Window", id("w"), std::move(properties)); }

TEST(Enums, AreStoredAsNamesOrNumbers) {
  const Window window = Window::make({.shade = Shade::kDark,
                                      .level = shades::kHigh,
                                      .lamp = Lamp::State::on,
                                      .many = {Shade::light, Shade::kDark},
                                      .levels = {shades::kLow, Level(7)},
                                      .pane = {.shade = Shade::kDark}},
                                     id("w"));
  const Entity raw = convert<Entity>(window);
  EXPECT_EQ(raw["shade"], Value("dark"));
  EXPECT_EQ(raw["level"], Value(1));
  EXPECT_EQ(raw["lamp"], Value("on"));
  EXPECT_TRUE(raw["perhaps"].is_null());
  EXPECT_EQ(raw["many"], Value(Array{"light", "dark"}));
  EXPECT_EQ(raw["levels"], Value(Array{-1, 7}));
  EXPECT_EQ(raw["opposite"], Value("light"));
  EXPECT_EQ(convert<Window>(window), window);
  EXPECT_EQ(convert<Window>(window)->levels.back(), Level(7));  // a number that no enumerator has is kept
}

TEST(Enums, WhatIsMissingOrNullLeavesTheValue) {
  const Window window = convert<Window>(stored({{"shade", nullptr}, {"perhaps", "dark"}}));
  EXPECT_EQ(window->shade, Shade::light);
  EXPECT_EQ(window->perhaps, Shade::kDark);
  EXPECT_EQ(window->lamp, Lamp::State::off);
}

TEST(Enums, WhatIsNoValueIsAnErrorThatNamesIt) {
  const auto reading = [](Entity::Properties properties) {
    return message_of<BadValueError>([&] { convert<Window>(stored(std::move(properties))); });
  };
  EXPECT_THAT(reading({{"shade", "green"}}), HasSubstr("\"green\", which is none of the names of Shade: light, dark"));
  EXPECT_THAT(reading({{"shade", "green"}}), HasSubstr("property \"shade\""));
  EXPECT_THAT(reading({{"many", Array{"dark", ""}}}), HasSubstr("property \"many\""));
  EXPECT_THAT(reading({{"shade", 1}}), HasSubstr("is declared as an enumeration with names, but the value 1 is"));
  EXPECT_THAT(reading({{"level", "high"}}), HasSubstr("is declared as an integer"));
  EXPECT_THAT(reading({{"level", std::int64_t{1} << 40}}), HasSubstr("does not fit"));

  const auto writing = encode(Window::make({.shade = Shade::unlisted}, id("w")));
  EXPECT_THAT(std::string(writing.status().message()),
              HasSubstr("holds the value 2 of Shade, which its NDB_ENUM does not list"));
  EXPECT_FALSE(encode(Window::make({.wide = Wide::kLast}, id("w"))).ok());  // above what the Datastore can hold
}

TEST(Enums, InFiltersOrdersAndAssignments) {
  const auto filters =
      Window::query(Window::shade == Shade::kDark, Window::level >= shades::kHigh, Window::many.IN({Shade::light}),
                    Window::perhaps == nullptr, Window::pane.shade != Shade::light)
          .order(-Window::level)
          .spec()
          .filters;
  ASSERT_EQ(filters.size(), 5u);
  EXPECT_EQ(filters[0].value, Value("dark"));
  EXPECT_EQ(filters[1].value, Value(1));
  EXPECT_EQ(filters[2].value, Value(Array{"light"}));
  EXPECT_TRUE(filters[3].value.is_null());
  EXPECT_EQ(filters[4].value, Value("light"));
  EXPECT_THAT(message_of<BadValueError>([] { (void)(Window::shade == Shade::unlisted); }),
              HasSubstr("a filter holds the value 2 of Shade"));
  EXPECT_EQ((Window::pane == Pane{.shade = Shade::kDark}).value, Value("dark"));

  Window window = Window::make({});
  window.populate(Window::shade(Shade::kDark), Window::many(std::vector{Shade::light}));
  EXPECT_EQ(window->shade, Shade::kDark);
}

TEST(Enums, InJson) {
  const Window window = Window::make({.shade = Shade::kDark, .level = shades::kHigh, .many = {Shade::light}}, id("w"));
  const std::string json = window.to_json({.include = {"shade", "level", "many"}});
  EXPECT_EQ(json, R"({"shade":"dark","level":1,"many":["light"]})");
  const Window read = Window::from_json(json, id("w"));
  EXPECT_EQ(read->shade, Shade::kDark);
  EXPECT_EQ(read->level, shades::kHigh);
  EXPECT_THAT(read->many, ElementsAre(Shade::light));
  EXPECT_THAT(message_of<BadValueError>([] { Window::from_json(R"({"shade": "red"})"); }),
              HasSubstr("which is none of the names of Shade: light, dark"));
}

TEST(Enums, AsText) {
  EXPECT_THAT(Window::make({.shade = Shade::kDark}, id("w")).to_string(), HasSubstr("shade: \"dark\""));
}

}  // namespace
}  // namespace ndb
