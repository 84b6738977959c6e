// Entities that google-cloud-ndb itself has written, read into the models that match, and written back.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "google/datastore/v1/entity.pb.h"
#include "model/coding.h"
#include "model/compression.h"
#include "ndb/model.h"

namespace ndb {
namespace {

namespace v1 = google::datastore::v1;
using namespace std::chrono_literals;
using testing::decode;
using ::testing::ElementsAre;
using testing::encode;

class Scalars : public Model<Scalars> {
 public:
  struct Properties {
    std::optional<Blob> blob{};
    std::optional<std::int64_t> count{};
    Json data{};
    std::optional<Date> day{};
    std::optional<bool> flag{};
    std::optional<int> hidden{};
    std::optional<std::string> name{};
    Value nothing{};
    std::optional<std::string> renamed{};
    std::optional<GeoPoint> place{};
    std::optional<double> ratio{};
    Key ref{};
    std::optional<Text> text{};
    std::optional<TimeOfDay> time{};
    std::optional<Timestamp> when{};
  };
  NDB_MODEL(blob, count, data, day, flag, (hidden, .indexed = false), name, nothing, (renamed, .name = "other_name"),
            place, ratio, (ref, .kind = "Parent"), text, time, when)
};

class Repeated : public Model<Repeated> {
 public:
  struct Properties {
    std::vector<std::string> tags{}, empty{};
    std::vector<std::int64_t> numbers{};
    std::vector<Key> refs{};
  };
  NDB_MODEL(tags, empty, numbers, refs)
};

class Compressed : public Model<Compressed> {
 public:
  struct Properties {
    Blob cblob{};
    std::vector<Blob> cblobs{};
    Json cjson{};
    Text ctext{};
  };
  NDB_MODEL((cblob, .compressed = true), (cblobs, .compressed = true), (cjson, .compressed = true),
            (ctext, .compressed = true))
};

struct Address {
  std::optional<std::string> city{};
  std::optional<std::int64_t> zip{};
  NDB_PROPERTIES(Address, city, zip)
};

template <bool Legacy>
class StructuredModel : public Model<StructuredModel<Legacy>> {
 public:
  struct Properties {
    std::optional<Address> address{};
    std::vector<Address> addresses{};
    std::optional<Address> local{};
    std::vector<Address> locals{};
  };
  NDB_MODEL(address, addresses, (local, .local = true), (locals, .local = true))
  static constexpr std::string_view _kind = "Structured";
  static constexpr bool _legacy_data = Legacy;
};

class Computed : public Model<Computed> {
 public:
  struct Properties {
    std::string name{};
    std::string lower() const {
      std::string low = name;
      for (char& c : low) c = static_cast<char>(std::tolower(c));
      return low;
    }
  };
  NDB_MODEL(name, lower)
};

class Animal : public PolyModel<Animal> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

class Wild : public Model<Wild> {
 public:
  struct Properties {
    std::int64_t foo = 0;
    Expando others{};
  };
  NDB_MODEL(foo, others)
};

v1::Entity parsed(const std::string& bytes) {
  v1::Entity entity;
  EXPECT_TRUE(entity.ParseFromString(bytes));
  return entity;
}

// Removes what a writer may choose: the order of properties inside the bytes of a local struct, and zlib's encoding.
void make_canonical(v1::Value& value) {
  if (value.has_array_value()) {
    for (v1::Value& element : *value.mutable_array_value()->mutable_values()) make_canonical(element);
  }
  if (value.value_type_case() != v1::Value::kBlobValue) return;
  if (value.meaning() == 22) {
    value.set_blob_value(testing::inflated(value.blob_value()));
  } else if (v1::Entity inner; inner.ParseFromString(value.blob_value()) && inner.properties_size() > 0) {
    *value.mutable_entity_value() = inner;
  }
}
v1::Entity canonical(v1::Entity entity) {
  for (auto& [name, value] : *entity.mutable_properties()) make_canonical(value);
  return entity;
}

using Written = std::map<std::string, Value, std::less<>>;

template <class M>
void check(const std::string& bytes, const std::function<void(const M&)>& look, const Written& by_put = {}) {
  const Key key = *detail::entity_key(bytes);
  const auto model = decode<M>(key, bytes);
  ASSERT_TRUE(model.ok()) << model.status();
  look(*model);
  const auto again = encode(*model);
  ASSERT_TRUE(again.ok()) << again.status();
  v1::Entity expected = parsed(bytes);
  for (const auto& [name, value] : by_put) {
    EXPECT_TRUE((*expected.mutable_properties())[name].ParseFromString(*detail::encode_value(value)));
  }
  ::google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(canonical(expected), canonical(parsed(*again)))) << difference;
}

void check_scalars(const Scalars& s) {
  EXPECT_EQ(s->blob, Blob(std::string("\0\xff", 2)));
  EXPECT_EQ(s->count, -7);
  EXPECT_EQ(s->data.text, R"({"a":[1,2,null],"b":"x"})");
  EXPECT_EQ(s->day, Date(std::chrono::year(2026) / 1 / 2));
  EXPECT_EQ(s->flag, true);
  EXPECT_EQ(s->hidden, 9);
  EXPECT_EQ(s->name, "Ada");
  EXPECT_TRUE(s->nothing.is_null());
  EXPECT_EQ(s->renamed, "r");
  EXPECT_EQ(s->place, (GeoPoint{52.5, 13.25}));
  EXPECT_EQ(s->ratio, 2.5);
  EXPECT_EQ(s->ref, Key("Parent", id("p"), {.project = "golden", .database = "", .namespace_ = "ns"}));
  EXPECT_EQ(s->text, Text("long long long long "));
  EXPECT_EQ(s->time, TimeOfDay{3h + 4min + 5s});
  EXPECT_EQ(s->when, Date(std::chrono::year(2026) / 1 / 2) + 3h + 4min + 5s + 678901us);
}

void check_scalars_unset(const Scalars& s) {
  EXPECT_TRUE(!s->blob && !s->count && !s->day && !s->flag && !s->hidden && !s->name && !s->renamed && !s->place);
  EXPECT_TRUE(!s->ratio && !s->ref && !s->text && !s->time && !s->when && s->data.text.empty());
}

void check_repeated(const Repeated& r) {
  EXPECT_THAT(r->tags, ElementsAre("a", "b"));
  EXPECT_THAT(r->numbers, ElementsAre(1, 2, 3));
  EXPECT_EQ(r->refs.at(0).string_id(), "p");
  EXPECT_TRUE(r->empty.empty());
}

std::string repeated(std::string_view word, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += word;
  return text;
}

void check_compressed(const Compressed& c) {
  EXPECT_EQ(c->cblob, repeated("blob", 10));
  EXPECT_THAT(c->cblobs, ElementsAre(Blob(repeated("one", 5)), Blob(repeated("two", 5))));
  EXPECT_EQ(c->cjson.text, R"({"k":1})");
  EXPECT_EQ(c->ctext, repeated("hello ", 10));
}

template <bool Legacy>
void check_structured(const StructuredModel<Legacy>& s) {
  EXPECT_EQ(s->address->city, "Berlin");
  EXPECT_EQ(s->address->zip, 10115);
  EXPECT_EQ(s->addresses.size(), 2u);
  EXPECT_EQ(s->addresses.at(0).city, "A");
  EXPECT_EQ(s->addresses.at(1).zip, 2);
  EXPECT_EQ(s->local->city, "L");
  EXPECT_EQ(s->locals.at(0).zip, 4);
}

template <bool Legacy>
void check_structured_unset(const StructuredModel<Legacy>& s) {
  EXPECT_TRUE(!s->address && s->addresses.empty() && !s->local && s->locals.empty());
}

void check_wild(const Wild& w) {
  EXPECT_EQ(w->foo, 1);
  EXPECT_EQ(w->others, (Expando{{"bar", "x"}, {"baz", Array{1.5, 2.5}}}));
}

TEST(GoldenTest, IsReadIntoItsModelAndWrittenBack) {
  std::ifstream file(NDB_GOLDEN_DIR "/ndb_entities.jsonl");
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const auto golden = nlohmann::json::parse(line);
    const std::string name = golden["case"];
    const bool legacy = golden["legacy_data"];
    SCOPED_TRACE(cat(name, legacy ? ", older layout" : ", newer layout"));
    std::string bytes;
    ASSERT_TRUE(absl::Base64Unescape(golden["entity_base64"].get<std::string>(), &bytes));
    // These entities are older than the put that computes some properties; after that NDB writes them as we do.
    const Written animal{{"class", Array{"Animal"}}};
    if (name == "scalars") {
      check<Scalars>(bytes, check_scalars);
    } else if (name == "scalars_unset") {
      check<Scalars>(bytes, check_scalars_unset);
    } else if (name == "repeated") {
      check<Repeated>(bytes, check_repeated);
    } else if (name == "compressed") {
      check<Compressed>(bytes, check_compressed);
    } else if (name == "structured" && legacy) {
      check<StructuredModel<true>>(bytes, check_structured<true>);
    } else if (name == "structured") {
      check<StructuredModel<false>>(bytes, check_structured<false>);
    } else if (name == "structured_unset" && legacy) {
      check<StructuredModel<true>>(bytes, check_structured_unset<true>);
    } else if (name == "structured_unset") {
      check<StructuredModel<false>>(bytes, check_structured_unset<false>);
    } else if (name == "computed") {
      check<Computed>(bytes, [](const Computed& c) { EXPECT_EQ(c->name, "ADA"); }, {{"lower", "ada"}});
    } else if (name == "with_parent_and_namespace") {
      check<Computed>(bytes, [](const Computed& c) { EXPECT_EQ(c.key().parent().string_id(), "p"); }, {{"lower", "q"}});
    } else if (name == "polymodel_root") {
      check<Animal>(bytes, [](const Animal& a) { EXPECT_EQ(a->name, "Rex"); }, animal);
    } else if (name == "polymodel_derived") {  // without its classes it is not known to be a cat; its `lives` are kept
      check<Animal>(bytes, [](const Animal& a) { EXPECT_EQ(a->name, "Tom"); }, animal);
    } else if (name == "expando") {
      check<Wild>(bytes, check_wild);
    } else {
      ADD_FAILURE() << "no model for this case";
    }
  }
  EXPECT_EQ(cases, 22);
}

// Either layout is read by a model of the other, and then written as the model says.
TEST(GoldenTest, ALayoutIsWrittenAsTheModelSays) {
  std::ifstream file(NDB_GOLDEN_DIR "/ndb_entities.jsonl");
  std::map<std::pair<std::string, bool>, std::string> all;
  for (std::string line; std::getline(file, line);) {
    const auto golden = nlohmann::json::parse(line);
    ASSERT_TRUE(absl::Base64Unescape(golden["entity_base64"].get<std::string>(),
                                     &all[{golden["case"].get<std::string>(), golden["legacy_data"].get<bool>()}]));
  }
  for (const std::string name : {"structured", "structured_unset"}) {
    const std::string &older = all[{name, true}], &newer = all[{name, false}];
    const Key key = *detail::entity_key(older);
    const auto from_older = decode<StructuredModel<false>>(key, older);
    const auto from_newer = decode<StructuredModel<true>>(key, newer);
    ASSERT_TRUE(from_older.ok() && from_newer.ok()) << from_older.status() << from_newer.status();
    EXPECT_EQ(*from_older, *decode<StructuredModel<false>>(key, newer));
    EXPECT_EQ(*from_newer, *decode<StructuredModel<true>>(key, older));
    ::google::protobuf::util::MessageDifferencer differencer;
    EXPECT_TRUE(differencer.Compare(canonical(parsed(*encode(*from_older))), canonical(parsed(newer))));
    EXPECT_TRUE(differencer.Compare(canonical(parsed(*encode(*from_newer))), canonical(parsed(older))));
  }
}

}  // namespace
}  // namespace ndb
