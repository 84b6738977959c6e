// The code of docs/guide.md, chapter 7 from "Inheritance" on, as guide_snippets.cc is that of the others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace guide_models {

using ::testing::HasSubstr;

// [poly]
class Animal : public ndb::PolyModel<Animal> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

class Cat : public ndb::PolyModel<Cat, Animal> {
 public:
  struct Properties : Animal::Properties {
    std::int64_t lives = 9;
  };
  NDB_MODEL(lives)
};
// [/poly]

// [checked]
std::string trimmed(const std::string& text) { return text.substr(0, text.find_last_not_of(' ') + 1); }
void positive(std::int64_t number) {
  if (number <= 0) throw ndb::BadValueError("it must be above 0");
}

class Ticket : public ndb::Model<Ticket> {
 public:
  struct Properties {
    std::optional<std::string> title{};
    std::string state = "open";
    std::int64_t priority = 1;
    std::vector<std::string> labels{};
    ndb::Key project{};
  };
  NDB_MODEL((title, .required = true), (state, .choices = ndb::choices<"open", "done">),
            (priority, .validator = ndb::validator<positive>), (labels, .validator = ndb::validator<trimmed>),
            (project, .kind = "Project"))
};
// [/checked]

// [structs]
struct Line {
  std::string article{};
  std::int64_t count = 1;
  NDB_PROPERTIES(Line, article, count)
};
struct Page {
  std::string html{};
  NDB_PROPERTIES(Page, html)
};

class Order : public ndb::Model<Order> {
 public:
  struct Properties {
    std::vector<Line> lines{};
    Page receipt{};
    ndb::Text log{};
  };
  NDB_MODEL(lines, (receipt, .compressed = true, .local = true), (log, .compressed = true))
};
// [/structs]

// [legacy]
class Shipment : public ndb::Model<Shipment> {
 public:
  struct Properties {
    Line first{};
    std::vector<Line> lines{};
  };
  NDB_MODEL(first, lines)
  static constexpr bool _legacy_data = true;  // written as first.article, first.count, lines.article, lines.count
};
// [/legacy]

// [expando]
class Article : public ndb::Model<Article> {
 public:
  struct Properties {
    std::string name{};
    ndb::Expando others{};  // all stored properties that have no field
  };
  NDB_MODEL(name, others)
};
// [/expando]

class ModelSnippets : public ::testing::Test {
 protected:
  std::unique_ptr<ndb::LocalDatastore> server_ = ndb::LocalDatastore::start({});
  ndb::Client client_{{.channel = server_->channel(), .memcached_hosts = std::vector<std::string>{}}};
  ndb::ContextScope scope_ = client_.context();
};

TEST_F(ModelSnippets, PolyModels) {
  // [poly_use]
  Cat::make({{.name = "Tom"}, 7}, ndb::id("tom")).put();
  Animal::make({.name = "Rex"}, ndb::id("rex")).put();

  for (const Animal& animal : Animal::query().fetch()) {  // both
    if (Cat cat = animal.as<Cat>()) std::cout << cat->name << " has " << cat->lives << " lives\n";
  }
  std::vector<Cat> cats = Cat::query(Cat::lives > 5).fetch();  // Tom
  // [/poly_use]
  ASSERT_EQ(cats.size(), 1u);
  EXPECT_EQ(cats[0]->name, "Tom");
  ndb::get_context().clear_cache();
  const std::vector<Animal> all = Animal::query().order(Animal::name).fetch();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_FALSE(all[0].as<Cat>());
  EXPECT_EQ(all[1].as<Cat>()->lives, 7);
  EXPECT_EQ(Animal::get_by_id("tom").as<Cat>()->lives, 7) << "from the context cache";
  EXPECT_THROW(Cat::get_by_id("rex"), ndb::KindError);
  EXPECT_EQ(Animal::query(Animal::class_ == "Cat").keys().size(), 1u);
  ndb::get_context().clear_cache();
  EXPECT_EQ(ndb::get_multi<Animal>(std::vector{ndb::key<Animal>("tom"), ndb::key<Cat>("rex")})[0].as<Cat>()->lives, 7);
  EXPECT_THROW(Cat::get_by_id("rex"), ndb::KindError);
  EXPECT_EQ(ndb::key<Cat>("tom").get<ndb::Entity>()["class"], (ndb::Array{"Animal", "Cat"}));
  ndb::transaction([] {
    Animal tom = Animal::get_by_id("tom");
    tom.edit().name = "Thomas";
    tom.put();
  });
  EXPECT_EQ(Cat::get_by_id("tom")->name, "Thomas");
  EXPECT_EQ(Cat::get_by_id("tom")->lives, 7);
}

TEST_F(ModelSnippets, Checks) {
  // [checked_use]
  Ticket ticket = Ticket::make({.state = "lost", .labels = {"vip "}});
  try {
    ticket.put();
  } catch (const ndb::BadValueError& error) {
    std::cerr << error.what() << '\n';
    // property "state" of Ticket holds "lost", which is none of its choices: "open", "done" (Key('Ticket', None, ...
  }
  ticket.populate(Ticket::title("Tea is cold"), Ticket::state("open"));  // several at once
  ticket.put();                                                          // the label is "vip" now
  // [/checked_use]
  EXPECT_EQ(ticket->labels[0], "vip");
  const auto message = [](Ticket::Properties p) {
    try {
      Ticket::make(std::move(p)).put();
    } catch (const ndb::BadValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message({.state = "lost"}), HasSubstr("property \"state\" of Ticket holds \"lost\", which is none of its "
                                                    "choices: \"open\", \"done\" (Key('Ticket', None"));
  EXPECT_THAT(message({}), HasSubstr("Ticket has no value for required properties: \"title\""));
  EXPECT_THAT(message({.title = "x", .priority = 0}),
              HasSubstr("\"priority\" of Ticket holds 0, which its validator refuses: it must be above 0"));
  EXPECT_THAT(message({.title = "x", .project = ndb::Key("Ticket", ndb::id(1))}), HasSubstr("not of kind \"Project\""));
  EXPECT_EQ(Ticket::query().keys().size(), 1u) << "what is refused is not written";
}

TEST_F(ModelSnippets, Structs) {
  // [structs_use]
  Order::make({.lines = {{.article = "tea", .count = 2}, {.article = "cup"}},
               .receipt = {.html = "<p>...</p>"},
               .log = "a long text"},
              ndb::id(1))
      .put();
  std::vector<Order> with_tea = Order::query(Order::lines.article == "tea").fetch();
  // [/structs_use]
  ASSERT_EQ(with_tea.size(), 1u);
  ndb::get_context().clear_cache();
  EXPECT_EQ(Order::get_by_id(1)->receipt.html, "<p>...</p>");
  EXPECT_EQ(Order::get_by_id(1)->log, "a long text");
  EXPECT_EQ(ndb::key<Order>(1).get<ndb::Entity>({.use_cache = false})["log"].meaning(), 22);
  Shipment::make({.first = {.article = "a"}, .lines = {{.article = "b"}, {.article = "c"}}}, ndb::id(1)).put();
  ndb::get_context().clear_cache();
  EXPECT_EQ(Shipment::query(Shipment::first.article == "a", Shipment::lines.article == "c").get()->lines[1].article,
            "c");
  EXPECT_EQ(ndb::key<Shipment>(1).get<ndb::Entity>()["lines.article"], (ndb::Array{"b", "c"}));
}

TEST_F(ModelSnippets, Unknown) {
  ndb::Entity::make("Animal", ndb::id("newer"), {{"name", "Ida"}, {"vaccinated", true}}).put();
  ndb::get_context().clear_cache();
  // [unknown]
  Animal ida = Animal::get_by_id("newer");  // a newer program has stored "vaccinated" with it
  ida.edit().name = "Ina";
  ida.put();
  bool vaccinated = ida.key().get<ndb::Entity>()["vaccinated"].as_bool();  // still there
  // [/unknown]
  EXPECT_TRUE(vaccinated);
  ndb::get_context().clear_cache();
  EXPECT_EQ(ndb::key<Animal>("newer").get<ndb::Entity>()["vaccinated"], true);
}

TEST_F(ModelSnippets, Expandos) {
  // [expando_use]
  Article tea = Article::make({.name = "Tea", .others = {{"grams", 250}}}, ndb::id("tea"));
  tea.edit().others["origin"] = "Assam";
  tea.put();
  std::vector<Article> from_assam = Article::query(Article::others["origin"] == "Assam").fetch();
  std::int64_t grams = from_assam[0]->others.at("grams").as_int64();
  // [/expando_use]
  EXPECT_EQ(grams, 250);
  ndb::get_context().clear_cache();
  EXPECT_EQ(Article::query(ndb::GenericProperty("grams") > 100).order(-Article::others["grams"]).fetch().size(), 1u);
  EXPECT_EQ(Article::get_by_id("tea"), tea);
}

TEST_F(ModelSnippets, Json) {
  // [json]
  Article tea = Article::from_json(R"({"name": "Tea", "grams": 250})", ndb::id("tea"));
  tea.populate_json(R"({"grams": 500})");  // the others stay
  std::string json = tea.to_json();        // {"name":"Tea","grams":500}
  std::string name = tea.to_json({.include = {"name"}});
  std::cout << tea << '\n';  // Article(Key('Article', 'tea', ...), {name: "Tea", grams: 500})
  // [/json]
  EXPECT_EQ(json, R"({"name":"Tea","grams":500})");
  EXPECT_EQ(name, R"({"name":"Tea"})");
  EXPECT_THAT(tea.to_string(), ::testing::MatchesRegex(".*'tea'.*, \\{name: \"Tea\", grams: 500\\}\\)"));
}

}  // namespace guide_models
