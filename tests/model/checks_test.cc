// What a put checks and sets: required, choices, validators, kinds of keys, JSON texts, time stamps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "base/error.h"
#include "base/strings.h"
#include "model/coding.h"
#include "ndb/model.h"

namespace ndb {
namespace {

using namespace std::chrono_literals;
using testing::convert;
using testing::decode;
using ::testing::ElementsAre;
using testing::encode;
using ::testing::HasSubstr;
using testing::message_of;
using testing::prepare;

void adult(std::int64_t age) {
  if (age < 18) throw BadValueError("only adults");
}
std::string trimmed(const std::string& text) {
  if (text == "?") throw std::invalid_argument("what is this");
  if (text == "!") throw 5;
  const std::size_t end = text.find_last_not_of(' ');
  return text.substr(0, end == std::string::npos ? 0 : end + 1);
}

struct Room {
  std::string name{};
  std::optional<std::int64_t> size{};
  Timestamp changed{};
  NDB_PROPERTIES(Room, (name, .validator = validator<trimmed>), (size, .required = true), (changed, .auto_now = true))
};
struct Floor {
  std::vector<Room> rooms{};
  NDB_PROPERTIES(Floor, rooms)
};

class Person : public Model<Person> {
 public:
  struct Properties {
    std::optional<std::string> name{"x"};
    Key home{"Home", id(1)};
    std::int64_t age = 20;
    std::optional<std::int64_t> other_age{};
    std::vector<std::string> nicknames{};
    std::string colour = "red";
    std::optional<int> size{};
    double ratio = 0.5;
    std::vector<bool> flags{};
    std::vector<std::int64_t> dice{};
    std::vector<Key> friends{};
    Json settings{};
    std::vector<Json> more{};
    std::optional<Room> room{};
    std::vector<Room> rooms{};
    Floor floor{};
  };
  NDB_MODEL((name, .required = true), (home, .required = true, .kind = "Home"), (age, .validator = validator<adult>),
            (other_age, .validator = validator<adult>), (nicknames, .validator = validator<trimmed>),
            (colour, .choices = choices<"red", "green">), (size, .choices = choices<1, 2, 3>),
            (ratio, .choices = choices<0.5, 1>), (flags, .choices = choices<true>), (dice, .choices = choices<6>),
            (friends, .kind = "Person"), settings, more, room, rooms, floor)
};

TEST(ChecksTest, AGoodEntityPasses) {
  Person p = Person::make({.other_age = 30,
                           .nicknames = {"a ", "b"},
                           .size = 3,
                           .ratio = 1,
                           .dice = {6, 6},
                           .friends = {Key("Person", id(1))},
                           .settings = {R"({"a":[1,null]})"},
                           .more = {{""}, {"1"}},
                           .room = Room{.name = "r  ", .size = 1},
                           .rooms = {{.name = " s ", .size = 2}}},
                          id("p"));
  const Person before = p;
  EXPECT_EQ(prepare(p), absl::OkStatus());
  EXPECT_THAT(p->nicknames, ElementsAre("a", "b")) << "a validator may change";
  EXPECT_EQ(p->room->name, "r");
  EXPECT_EQ(p->rooms[0].name, " s");
  EXPECT_EQ(p->rooms[0].changed, Timestamp(5s)) << "time stamps work inside structs";
  EXPECT_EQ(before->nicknames[0], "a ") << "but never what other handles hold";
}

TEST(ChecksTest, MessagesNameModelPropertyValueAndKey) {
  const struct {
    std::function<void(Person::Properties&)> set;
    std::string message;
  } cases[] = {
      {[](auto& p) { p.name.reset(); }, "Person has no value for required properties: \"name\""},
      {[](auto& p) {
         p.name.reset();
         p.home = Key();
         p.room = Room{};
       },
       "required properties: \"name\", \"home\", \"room.size\""},
      {[](auto& p) { p.home = Key("House", id(1)); },
       "property \"home\" of Person holds Key('House', 1), which is not of kind \"Home\""},
      {[](auto& p) { p.friends = {Key("Home", id(2))}; }, "\"friends\" of Person holds Key('Home', 2)"},
      {[](auto& p) { p.age = 17; }, "property \"age\" of Person holds 17, which its validator refuses: only adults"},
      {[](auto& p) { p.other_age = 1; }, "\"other_age\" of Person holds 1,"},
      {[](auto& p) { p.nicknames = {"a", "?"}; },
       "\"nicknames\" of Person holds [\"a\", \"?\"], which its validator refuses: what is this"},
      {[](auto& p) { p.nicknames = {"!"}; }, "\"nicknames\" of Person holds [\"!\"], which its validator refuses: "},
      {[](auto& p) { p.colour = "blue"; },
       "property \"colour\" of Person holds \"blue\", which is none of its choices: \"red\", \"green\""},
      {[](auto& p) { p.size = 4; }, "\"size\" of Person holds 4, which is none of its choices: 1, 2, 3"},
      {[](auto& p) { p.ratio = 0.25; }, "\"ratio\" of Person holds 0.25, which is none of its choices: 0.5, 1"},
      {[](auto& p) { p.flags = {true, false}; }, "\"flags\" of Person holds false"},
      {[](auto& p) { p.dice = {6, 5}; }, "\"dice\" of Person holds 5"},
      {[](auto& p) { p.settings = {"{a:1}"}; }, "\"settings\" of Person holds Blob(\"{a:1}\"), which is no JSON text"},
      {[](auto& p) { p.more = {{"1"}, {"nul"}}; }, "\"more\" of Person holds Blob(\"nul\")"},
      {[](auto& p) { p.settings = {std::string(100000, '[')}; }, "which is no JSON text"},
      {[](auto& p) { p.settings = {"\"\xff\""}; }, "which is no JSON text"},
      {[](auto& p) { p.rooms = {{.size = 1}, {.name = "?", .size = 1}}; },
       "\"rooms.name\" of Person holds \"?\", which its validator refuses"},
      {[](auto& p) { p.floor.rooms = {{.size = 1}, {}}; }, "required properties: \"floor.rooms.size\""},
  };
  for (const auto& c : cases) {
    Person p = Person::make({}, id("p"));
    c.set(p.edit());
    const absl::Status status = prepare(p);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), HasSubstr("(Key('Person', 'p'))"));
    EXPECT_THROW(throw_error(status), BadValueError);
  }
}

TEST(ChecksTest, ReadingChecksNothing) {
  Person bad = Person::make({.name = {}, .age = 1, .colour = "blue"}, id("p"));
  EXPECT_EQ(convert<Person>(bad), bad);
}

class OnlyChecked : public Model<OnlyChecked> {
 public:
  struct Properties {
    std::string colour = "red";
  };
  NDB_MODEL((colour, .choices = choices<"red">))
};
class Unchecked : public Model<Unchecked> {
 public:
  struct Properties {
    std::string colour{};
  };
  NDB_MODEL(colour)
};

TEST(ChecksTest, ValidationCopiesNothing) {
  EXPECT_EQ(detail::info<Person>().preparation, detail::Preparation::kChanges);
  EXPECT_EQ(detail::info<OnlyChecked>().preparation, detail::Preparation::kChecks);
  EXPECT_EQ(detail::info<Unchecked>().preparation, detail::Preparation::kNone);
  OnlyChecked c = OnlyChecked::make({}, id(1));
  const OnlyChecked shared = c;
  const void* const at = &c->colour;
  EXPECT_TRUE(prepare(c).ok());
  EXPECT_EQ(&c->colour, at);
}

// ---- Days and times of day

class Day : public Model<Day> {
 public:
  struct Properties {
    Date date{};
    TimeOfDay time{};
    std::optional<Date> maybe{};
    std::vector<TimeOfDay> times{};
  };
  NDB_MODEL(date, time, maybe, times)
};

TEST(ChecksTest, DaysAndTimesAreTimestampsAsNdbWritesThem) {
  const Date date = std::chrono::year(1969) / 7 / 20;
  const Day day = Day::make({.date = date, .time = {23h + 59min + 1us}, .maybe = date, .times = {{}, {1h}}}, id(1));
  const Entity e = convert<Entity>(day);
  EXPECT_EQ(e["date"], Timestamp(date));
  EXPECT_EQ(e["time"], Timestamp(23h + 59min + 1us));
  EXPECT_EQ(convert<Day>(e), day);
  EXPECT_EQ((Day::date > date).value, Timestamp(date));
  EXPECT_EQ((Day::time <= TimeOfDay{1h}).value, Timestamp(1h));

  const auto read = [](std::string_view name, Value value) {
    return message_of<BadValueError>([&] { convert<Day>(Entity::make("Day", id(1), {{std::string(name), value}})); });
  };
  EXPECT_THAT(read("date", Timestamp(1h)), HasSubstr("property \"date\" of Day is declared as ndb::Date, but "
                                                     "1970-01-01T01:00:00Z is not the first moment of a day"));
  EXPECT_THAT(
      read("time", Timestamp(24h)),
      HasSubstr("\"time\" of Day is declared as ndb::TimeOfDay, but 1970-01-02T00:00:00Z is not of 1970-01-01"));
  EXPECT_THAT(read("times", Array{Timestamp(-1us)}), HasSubstr("\"times\" of Day"));
  EXPECT_THAT(message_of<BadValueError>([] { convert<Entity>(Day::make({.time = {24h}}, id(1))); }),
              HasSubstr("\"time\" of Day is 86400000000 us after midnight"));
}

}  // namespace
}  // namespace ndb
