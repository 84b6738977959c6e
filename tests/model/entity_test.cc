#include "ndb/entity.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "google/datastore/v1/entity.pb.h"
#include "ndb/detail/payload.h"
#include "ndb/error.h"

namespace ndb {
namespace {

namespace v1 = google::datastore::v1;
using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;

std::string from_base64(const std::string& text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  return bytes;
}

absl::StatusOr<Entity> decode(std::string_view bytes) {
  const auto key = detail::entity_key(bytes);
  auto payload = detail::decode_entity(detail::info<Entity>(), key.value_or(Key()), bytes);
  if (!payload.ok()) return payload.status();
  return detail::HandleAccess::wrap<Entity>(key.value_or(Key()), *std::move(payload));
}

absl::StatusOr<std::string> encode(const Entity& entity) {
  return detail::encode_entity(entity.key(), *detail::HandleAccess::payload(entity).get());
}

v1::Entity parsed(const std::string& bytes) {
  v1::Entity entity;
  EXPECT_TRUE(entity.ParseFromString(bytes));
  return entity;
}

// The value in the JSON form of the golden files.
nlohmann::json to_json(const Value& value) {
  nlohmann::json out;
  const auto base64 = [](const std::string& bytes) { return absl::Base64Escape(bytes); };
  switch (value.type()) {
    case ValueType::kNull:
      out["null_value"] = nullptr;
      break;
    case ValueType::kBool:
      out["boolean_value"] = value.as_bool();
      break;
    case ValueType::kInt64:
      out["integer_value"] = std::to_string(value.as_int64());
      break;
    case ValueType::kDouble:
      out["double_value"] = value.as_double();
      break;
    case ValueType::kTimestamp:
      out["timestamp_value"] = value.to_string();
      break;
    case ValueType::kString:
      out["string_value"] = value.as_string();
      break;
    case ValueType::kBlob:
      out["blob_value"] = base64(value.as_blob());
      break;
    case ValueType::kGeoPoint:
      out["geo_point_value"] = {{"latitude", value.as_geo_point().latitude},
                                {"longitude", value.as_geo_point().longitude}};
      break;
    case ValueType::kKey: {
      nlohmann::json path;
      for (const Key::Element& e : value.as_key().path()) {
        path.push_back({{"kind", e.kind}, {"name", std::get<std::string_view>(e.id)}});
      }
      out["key_value"] = {
          {"partition_id", {{"namespace_id", value.as_key().namespace_()}, {"project_id", value.as_key().project()}}},
          {"path", path}};
      break;
    }
    case ValueType::kEntity: {
      nlohmann::json properties;
      for (const auto& [name, inner] : value.as_entity()) properties[name] = to_json(inner);
      out["entity_value"] = {{"properties", properties}};
      break;
    }
    case ValueType::kArray: {
      nlohmann::json elements = nlohmann::json::object();
      for (const Value& element : value.as_array()) elements["values"].push_back(to_json(element));
      out["array_value"] = elements;
      break;
    }
  }
  if (!value.indexed()) out["exclude_from_indexes"] = true;
  if (value.meaning() != 0) out["meaning"] = value.meaning();
  return out;
}

// Entities as google-cloud-ndb writes them, in its older and its newer layout.
TEST(EntityTest, ReadsAndWritesGoldenEntities) {
  std::ifstream file(NDB_GOLDEN_DIR "/ndb_entities.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const auto golden = nlohmann::json::parse(line);
    SCOPED_TRACE(golden["case"].get<std::string>());
    const std::string bytes = from_base64(golden["entity_base64"]);
    const auto entity = decode(bytes);
    ASSERT_TRUE(entity.ok()) << entity.status();
    nlohmann::json properties;
    for (const auto& [name, value] : *entity) properties[name] = to_json(value);
    EXPECT_EQ(properties, golden["entity_json"]["properties"]);
    EXPECT_EQ(entity->key().project(), "golden");
    EXPECT_EQ(entity->key().path().size(), golden["entity_json"]["key"]["path"].size());
    const auto again = encode(*entity);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->size(), bytes.size());
    EXPECT_TRUE(MessageDifferencer::Equals(parsed(*again), parsed(bytes)));
  }
  EXPECT_EQ(lines, 22);
}

class RandomEntities {
 public:
  explicit RandomEntities(std::random_device::result_type seed) : random_(seed) {}

  Entity make(int depth = 0) {
    Entity::Properties properties;
    for (std::uint32_t n = pick(8); n > 0; --n) properties[cat("p", pick(20))] = value(depth, true);
    if (depth > 0 && pick(2) == 0) return Entity::embedded(std::move(properties));
    return Entity::make(key(), std::move(properties));
  }
  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

 private:
  Key key() {
    const Partition where{
        .project = pick(2) == 0 ? "shop" : "", .database = "", .namespace_ = pick(2) == 0 ? "eu" : ""};
    const Key root("Root", id(1 + static_cast<std::int64_t>(pick(1000))), where);
    return pick(2) == 0 ? root : Key("Child", id(cat("n", pick(1000))), root);
  }
  std::string text() {
    std::string s;
    for (std::uint32_t n = pick(3) == 0 ? pick(1400) : pick(20); n > 0; --n) s += static_cast<char>('a' + pick(26));
    return s;
  }
  Value value(int depth, bool array_allowed) {
    Value v = any(depth, array_allowed);
    if (v.type() != ValueType::kArray) {
      v.set_indexed(pick(2) == 0);
      if (pick(5) == 0) v.set_meaning(static_cast<int>(pick(30)));
    }
    return v;
  }
  Value any(int depth, bool array_allowed) {
    switch (pick(depth < 4 ? (array_allowed ? 11 : 10) : 9)) {
      case 0:
        return {};
      case 1:
        return pick(2) == 0;
      case 2:
        return static_cast<std::int64_t>(random_()) << pick(32);
      case 3:
        return -static_cast<std::int64_t>(random_());
      case 4:
        return static_cast<double>(random_()) / 7;
      case 5:
        return Timestamp(std::chrono::microseconds((static_cast<std::int64_t>(random_()) - (1LL << 31)) * 100003));
      case 6:
        return pick(2) == 0 ? Value(key()) : Value(GeoPoint{pick(90) / 2.0, -static_cast<double>(pick(180))});
      case 7:
        return text();
      case 8:
        return Blob(text());
      case 9:
        return make(depth + 1);
      default: {
        Array elements;
        for (std::uint32_t n = pick(5); n > 0; --n) elements.push_back(value(depth, false));
        return elements;
      }
    }
  }
  std::mt19937 random_;
};

TEST(EntityTest, ProtobufReadsWhatIsWritten) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(cat("seed ", seed));
  RandomEntities random(seed);
  for (int i = 0; i < 500; ++i) {
    const Entity entity = random.make();
    const auto bytes = encode(entity);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const v1::Entity message = parsed(*bytes);
    EXPECT_EQ(message.properties_size(), entity.size());
    // Protobuf writes maps in an order of its own, and every field that the message has.
    const std::string rewritten = message.SerializeAsString();
    EXPECT_EQ(rewritten.size(), bytes->size());
    const auto back = decode(rewritten);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, entity) << *back << "\n" << entity;
  }
}

TEST(EntityTest, MutatedBytesGiveAStatusOrAnEntity) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(cat("seed ", seed));
  RandomEntities random(seed);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string bytes = encode(random.make()).value();
    for (int j = 0; j < 40 && !bytes.empty(); ++j) {
      std::string mutated = bytes;
      for (std::uint32_t n = 1 + random.pick(3); n > 0; --n) {
        mutated[random.pick(static_cast<std::uint32_t>(bytes.size()))] = static_cast<char>(random.pick(256));
      }
      if (random.pick(4) == 0) mutated.resize(random.pick(static_cast<std::uint32_t>(bytes.size())));
      const auto entity = decode(mutated);
      refused += !entity.ok();
      if (!entity.ok()) {
        EXPECT_EQ(entity.status().code(), absl::StatusCode::kDataLoss) << entity.status();
      } else if (const auto again = encode(*entity); again.ok()) {
        EXPECT_EQ(*decode(*again), *entity);
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(EntityTest, NestingHasALimitBothWays) {
  Entity inner = Entity::embedded({{"x", 1}});
  for (int i = 0; i < 19; ++i) inner = Entity::embedded({{"x", inner}});
  Entity fits = Entity::make("A", id(1), {{"x", inner}});
  EXPECT_TRUE(encode(fits).ok()) << encode(fits).status();
  const auto too_deep = encode(Entity::make("A", id(1), {{"x", Entity::embedded({{"y", inner}})}}));
  ASSERT_FALSE(too_deep.ok());
  EXPECT_THAT(std::string(too_deep.status().message()), HasSubstr("more than 20 entities deep"));

  v1::Value value;
  value.set_integer_value(1);
  for (int i = 0; i < 80; ++i) {
    v1::Value outer;
    if (i % 2 == 0) {
      *outer.mutable_array_value()->add_values() = value;
    } else {
      (*outer.mutable_entity_value()->mutable_properties())["x"] = value;
    }
    value = outer;
  }
  EXPECT_FALSE(detail::decode_value(value.SerializeAsString()).ok());
}

TEST(EntityTest, OfTwoPropertiesWithOneNameTheLastCounts) {
  const std::string one = encode(Entity::embedded({{"x", 1}, {"y", 2}})).value();
  const std::string two = encode(Entity::embedded({{"x", Array{"a"}}})).value();
  EXPECT_EQ(*decode(one + two), Entity::embedded({{"x", Array{"a"}}, {"y", 2}}));
}

TEST(EntityTest, IsAMapWithCopyOnWrite) {
  Entity ada = Entity::make("Account", id("ada"), {{"name", "Ada"}, {"age", 36}});
  const Entity copy = ada;
  ada.edit()["age"] = ada["age"].as_int64() + 1;
  ada.edit()["tags"] = Array{"a", "b"};
  EXPECT_EQ(ada["age"], 37);
  EXPECT_EQ(copy["age"], 36);
  EXPECT_FALSE(copy.contains("tags"));
  EXPECT_EQ(copy.get("tags"), nullptr);
  EXPECT_EQ(ada.get("tags")->as_array().size(), 2u);
  EXPECT_NE(ada, copy);
  EXPECT_EQ(copy, Entity::make("Account", id("ada"), {{"age", 36}, {"name", "Ada"}}));
  EXPECT_NE(copy, Entity::make("Account", id("bob"), {{"age", 36}, {"name", "Ada"}}));
  std::ostringstream out;
  out << copy;
  EXPECT_EQ(out.str(), "Entity(Key('Account', 'ada'), {age: 36, name: \"Ada\"})");
  std::string names;
  for (const auto& [name, value] : copy) names += name;
  EXPECT_EQ(names, "agename");
  try {
    copy["agee"];
    FAIL();
  } catch (const BadValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("Key('Account', 'ada') has no property \"agee\""));
  }
  EXPECT_GT(detail::HandleAccess::payload(ada)->footprint(), detail::HandleAccess::payload(copy)->footprint());
}

TEST(EntityTest, AnEmptyHandleSaysSo) {
  const Entity none;
  EXPECT_FALSE(none);
  EXPECT_THROW(none["x"], Error);
  EXPECT_THROW(none.properties(), Error);
  EXPECT_THROW(Entity().edit(), Error);
  EXPECT_EQ(none, Entity());
  EXPECT_NE(none, Entity::embedded());
  EXPECT_THROW(Entity::make(Key()), BadKeyError);
  const Entity absent = detail::HandleAccess::wrap<Entity>(Key("A", id(1)), {});
  try {
    absent["x"];
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no such entity as Key('A', 1)"));
  }
}

TEST(EntityTest, ErrorsNameTheProperty) {
  const struct {
    Entity::Properties properties;
    std::string message;
  } cases[] = {
      {{{"home", Entity::embedded({{"city", "\xff"}})}},
       "property \"home.city\" of A holds \"\\xff\", which is not UTF-8"},
      {{{"", 1}}, "property \"\" of A has a name that is not of 1 to 1500 bytes"},
      {{{std::string(1501, 'n'), 1}}, "1 to 1500 bytes"},
      {{{"__x__", 1}}, "__x__"},
      {{{"x", std::string(1501, 'x')}}, "make it an ndb::Text"},
      {{{"a", Text(std::string(600000, 'x'))}, {"b", Text(std::string(600000, 'x'))}}, "1048572 are allowed"},
  };
  for (const auto& c : cases) {
    const auto bytes = encode(Entity::make("A", id(1), c.properties));
    ASSERT_FALSE(bytes.ok()) << c.message;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr("Key('A', 1)"));
  }
}

}  // namespace
}  // namespace ndb
