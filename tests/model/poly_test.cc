// Classes that share a kind, and properties that have no field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "model/coding.h"
#include "ndb/model.h"
#include "ndb/query.h"

namespace ndb {
namespace {

using testing::convert;
using testing::decode;
using ::testing::ElementsAre;
using testing::encode;
using ::testing::HasSubstr;
using testing::message_of;
using testing::prepare;

std::vector<std::string> puts;

class Creature : public PolyModel<Creature> {
 public:
  struct Properties {
    std::string name{};
    std::string upper() const { return name + "!"; }
  };
  NDB_MODEL(name, upper)
  static constexpr bool _use_cache = false;
  static constexpr auto _kind = "Beast";
  static constexpr auto _class_name = "Animal";
  void _pre_put_hook() { puts.push_back("creature"); }
};
class Cat : public PolyModel<Cat, Creature> {
 public:
  struct Properties : Creature::Properties {
    std::int64_t lives = 9;
  };
  NDB_MODEL(lives)
  void _pre_put_hook() { puts.push_back(cat("cat with ", (*this)->lives)); }

 private:
  static std::string cat(const auto&... pieces) { return ndb::cat(pieces...); }
};
class Lion : public PolyModel<Lion, Cat> {
 public:
  struct Properties : Cat::Properties {
    Timestamp seen{};
  };
  NDB_MODEL((seen, .auto_now = true))
};
class Dog : public PolyModel<Dog, Creature> {
 public:
  struct Properties : Creature::Properties {
    bool barks = true;
  };
  NDB_MODEL(barks)
};
// An unrelated hierarchy, and a plain class that takes over the properties of a PolyModel.
class Plant : public PolyModel<Plant> {
 public:
  struct Properties {
    std::int64_t leaves = 0;
  };
  NDB_MODEL(leaves)
};
class Statue : public Model<Statue, Creature> {
 public:
  struct Properties : Creature::Properties {
    std::string stone{};
  };
  NDB_MODEL(stone)
};

template <class M>
const detail::ModelInfo& info_of(const M& model) {
  return detail::HandleAccess::payload(model)->info();
}

TEST(PolyModelTest, IsStoredUnderTheKindOfItsRootWithItsClasses) {
  EXPECT_EQ(Creature::_get_kind(), "Beast");
  EXPECT_EQ(Lion::_get_kind(), "Beast");
  EXPECT_EQ(Plant::_get_kind(), "Plant");
  EXPECT_EQ(Statue::_get_kind(), "Statue");
  const auto classes = [](const auto& model) { return convert<Entity>(model)["class"]; };
  EXPECT_EQ(classes(Creature::make({}, id(1))), (Array{"Animal"}));
  EXPECT_EQ(classes(Cat::make({}, id(1))), (Array{"Animal", "Cat"}));
  EXPECT_EQ(classes(Lion::make({}, id(1))), (Array{"Animal", "Cat", "Lion"}));
  EXPECT_TRUE(classes(Lion::make({}, id(1))).as_array()[0].indexed());
  EXPECT_FALSE(convert<Entity>(Statue::make({}, id(1))).contains("class"));
  EXPECT_EQ(convert<Entity>(Cat::make({{"Tom"}, 3}, id("tom"))),
            Entity::make("Beast", id("tom"),
                         {{"class", Array{"Animal", "Cat"}}, {"name", "Tom"}, {"upper", "Tom!"}, {"lives", 3}}));
}

TEST(PolyModelTest, IsReadAsTheClassThatItIs) {
  const Cat tom = Cat::make({{"Tom"}, 3}, id("tom"));
  const Creature read = convert<Creature>(tom);
  EXPECT_EQ(&info_of(read), &detail::info<Cat>());
  EXPECT_EQ(read->name, "Tom");
  ASSERT_TRUE(read.as<Cat>());
  EXPECT_EQ(read.as<Cat>()->lives, 3);
  EXPECT_FALSE(read.as<Lion>());
  EXPECT_FALSE(read.as<Dog>());
  EXPECT_TRUE(read.as<Creature>());
  EXPECT_FALSE(Creature().as<Cat>());
  EXPECT_EQ(read.as<Cat>(), tom);

  // Editing through the base keeps the whole cat.
  Creature edited = read;
  edited.edit().name = "Thomas";
  EXPECT_EQ(edited.as<Cat>()->lives, 3);
  EXPECT_EQ(tom->name, "Tom");
  EXPECT_EQ(convert<Cat>(edited)->name, "Thomas");
  const Creature sliced = tom;  // a handle of the base on the same cat
  EXPECT_EQ(convert<Cat>(sliced), tom);
  EXPECT_EQ(convert<Cat>(Lion::make({{{"Leo"}, 1}}, id("leo")))->lives, 1) << "a lion is a cat";
}

TEST(PolyModelTest, AnEntityOfAnotherClassIsAKindError) {
  const Creature rex = Creature::make({.name = "Rex"}, id("rex"));
  EXPECT_THAT(message_of<KindError>([&] { convert<Cat>(rex); }),
              HasSubstr("Key('Beast', 'rex') is of the classes [\"Animal\"] and cannot be read as Cat; read it as "
                        "Animal or as ndb::Entity"));
  EXPECT_THROW(convert<Cat>(Dog::make({}, id(1))), KindError);
  EXPECT_THROW(convert<Lion>(Cat::make({}, id(1))), KindError);
  EXPECT_THROW(convert<Creature>(Entity::make("Beast", id(1), {{"class", Array{"Robot"}}})), KindError);
  EXPECT_THROW(convert<Creature>(Entity::make("Beast", id(1), {{"class", 7}})), BadValueError);
  EXPECT_EQ(convert<Creature>(Entity::make("Beast", id(1), {{"class", "Animal"}, {"name", "P"}}))->name, "P")
      << "a projection gives one of the names";
  EXPECT_EQ(convert<Creature>(Entity::make("Beast", id(1), {{"name", "old"}}))->name, "old")
      << "written before there were classes";
}

// A newer program may have classes that this one does not know. Its entities are read as the nearest known class, and
// keep their own class when they are written back.
TEST(PolyModelTest, AnUnknownClassIsKept) {
  const Entity tiger = Entity::make(
      "Beast", id("t"),
      {{"class", Array{"Animal", "Cat", "Tiger"}}, {"name", "T"}, {"upper", "T!"}, {"lives", 2}, {"stripes", 40}});
  Creature read = convert<Creature>(tiger);
  EXPECT_EQ(read.as<Cat>()->lives, 2);
  EXPECT_EQ(convert<Entity>(read), tiger);
  read.edit().name = "Tia";
  const Entity back = convert<Entity>(read);
  EXPECT_EQ(back["class"], tiger["class"]);
  EXPECT_EQ(back["stripes"], 40);
  EXPECT_EQ(back["name"], "Tia");
}

TEST(PolyModelTest, QueriesOfASubclassAskForIt) {
  EXPECT_TRUE(Creature::query().spec().filters.empty());
  const auto cats = Cat::query(Cat::name == "Tom");
  EXPECT_EQ(cats.spec().kind, "Beast");
  ASSERT_EQ(cats.spec().filters.size(), 2u);
  EXPECT_EQ(cats.spec().filters[1].property, "class");
  EXPECT_EQ(cats.spec().filters[1].value, "Cat");
  const Filter by_hand = Creature::class_ == "Cat";
  EXPECT_EQ(by_hand.property, "class");
}

TEST(PolyModelTest, TheRootStandsForTheKind) {
  EXPECT_EQ(*detail::find_model("Beast"), &detail::info<Creature>());
  EXPECT_EQ(detail::info<Lion>().use_cache(Key("Beast", id(1))), false) << "class flags are inherited";
  EXPECT_EQ(detail::find_poly_model("Beast", "Lion"), &detail::info<Lion>());
  EXPECT_EQ(detail::find_poly_model("Beast", "Plant"), nullptr);
  EXPECT_EQ(detail::find_poly_model("Statue", "Statue"), nullptr);
  EXPECT_THROW(Cat::make(Key("Cat", id(1)), {}), BadKeyError);
}

TEST(PolyModelTest, PutsAreOfTheClassThatItIs) {
  puts.clear();
  Creature tom = convert<Creature>(Cat::make({{"Tom"}, 3}, id("tom")));
  info_of(tom).pre_put(tom);
  EXPECT_THAT(puts, ElementsAre("cat with 3"));
  Creature leo = convert<Creature>(Lion::make({}, id("leo")));
  EXPECT_TRUE(prepare(leo, Timestamp(std::chrono::seconds(7))).ok());
  EXPECT_EQ(leo.as<Lion>()->seen, Timestamp(std::chrono::seconds(7)));
}

TEST(PolyModelTest, ComparesPrintsAndIsJsonAsItself) {
  const Cat tom = Cat::make({{"Tom"}, 3}, id("tom"));
  EXPECT_NE(static_cast<const Handle&>(tom), static_cast<const Handle&>(Creature::make({.name = "Tom"}, id("tom"))));
  const Creature read = convert<Creature>(tom);
  EXPECT_EQ(read.to_string(),
            "Cat(Key('Beast', 'tom'), {class: [\"Animal\", \"Cat\"], name: \"Tom\", upper: \"Tom!\", lives: 3})");
  EXPECT_EQ(read.to_json(), R"({"class":["Animal","Cat"],"name":"Tom","upper":"Tom!","lives":3})");
  EXPECT_EQ(Cat::from_json(read.to_json(), id("tom")), tom);
}

// ---- Expando

class Wild : public Model<Wild> {
 public:
  struct Properties {
    std::int64_t foo = 0;
    Expando others{};
    std::string name{};
  };
  NDB_MODEL(foo, others, name)
};
struct Loose {
  std::int64_t known = 0;
  Expando more{};
  NDB_PROPERTIES(Loose, known, more)
};
class Unindexed : public Model<Unindexed> {
 public:
  struct Properties {
    Expando others{};
    Loose loose{};
    std::vector<Loose> all{};
  };
  NDB_MODEL((others, .indexed = false), loose, all)
};

TEST(ExpandoTest, TakesWhatHasNoField) {
  Wild w = Wild::make({.foo = 1, .others = {{"bar", "x"}}, .name = "n"}, id("w"));
  w.edit().others["baz"] = Array{1.5, 2.5};
  w.edit().others["when"] = Timestamp(std::chrono::seconds(1));
  const Entity e = convert<Entity>(w);
  EXPECT_EQ(e, Entity::make("Wild", id("w"),
                            {{"foo", 1},
                             {"bar", "x"},
                             {"baz", Array{1.5, 2.5}},
                             {"when", Timestamp(std::chrono::seconds(1))},
                             {"name", "n"}}));
  const Wild back = convert<Wild>(e);
  EXPECT_EQ(back, w);
  EXPECT_EQ(back->others.at("bar"), "x");
  EXPECT_FALSE(back->others.contains("foo"));
  EXPECT_EQ(w.to_string(),
            "Wild(Key('Wild', 'w'), {foo: 1, name: \"n\", bar: \"x\", baz: [1.5, 2.5], when: 1970-01-01T00:00:01Z})");
  EXPECT_EQ(Wild::from_json(w.to_json(), id("w")), w);
  const auto footprint = [](const Wild& m) { return detail::HandleAccess::payload(m)->footprint(); };
  EXPECT_GT(footprint(w), footprint(Wild::make({})) + 100);
}

TEST(ExpandoTest, StructsHaveThemToo) {
  Unindexed u = Unindexed::make({.others = {{"a", 1}, {"b", Array{1, 2}}},
                                 .loose = {.known = 1, .more = {{"x", "y"}}},
                                 .all = {{.more = {{"z", 1}}}, {}}},
                                id(1));
  const Entity e = convert<Entity>(u);
  EXPECT_FALSE(e["a"].indexed());
  EXPECT_FALSE(e["b"].as_array()[0].indexed());
  EXPECT_EQ(e["loose"].as_entity()["x"], "y");
  EXPECT_EQ(e["all"].as_array()[0].as_entity()["z"], 1);
  EXPECT_EQ(convert<Unindexed>(e), u);
}

TEST(ExpandoTest, NamesThatAreTakenOrBadAreErrors) {
  Wild w = Wild::make({.others = {{"foo", 2}}}, id("w"));
  EXPECT_EQ(prepare(w).message(),
            "property \"others\" of Wild holds the dynamic property \"foo\", but the class has a property of that name "
            "(Key('Wild', 'w'))");
  for (const std::string name : {"", "__x__"}) {
    EXPECT_THAT(message_of<BadValueError>([&] { convert<Entity>(Wild::make({.others = {{name, 2}}}, id("w"))); }),
                HasSubstr(cat("property \"", name, "\" of Wild has a name")));
  }
}

TEST(ExpandoTest, FiltersAndOrdersNameTheProperty) {
  const Filter equal = Wild::others["bar"] == "x";
  EXPECT_EQ(equal.property, "bar");
  EXPECT_EQ(equal.value, "x");
  EXPECT_EQ((Unindexed::loose.more["x"] > 3).property, "loose.x");
  EXPECT_EQ((GenericProperty("bar") <= nullptr).op, Op::kLessOrEqual);
  EXPECT_EQ(GenericProperty("bar").IN({1, "x"}).value, (Array{1, "x"}));
  EXPECT_EQ(GenericProperty("bar").NOT_IN({1}).op, Op::kNotIn);
  const Order order = -Wild::others["bar"];
  EXPECT_TRUE(order.descending);
  EXPECT_EQ(Wild::query(Wild::others["bar"] != 1, Wild::foo == 1).order(Wild::others["bar"]).spec().orders.size(), 1u);
}

}  // namespace
}  // namespace ndb
