// Entities as lines of JSON: the format, what is refused, and that nothing is lost.
#include "tools/entity_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "local_datastore/datastore_client.h"

namespace {

using namespace ndb::testing;
using ndb::tools::from_json;
using ndb::tools::Home;
using ndb::tools::to_json;
using ::testing::HasSubstr;

const Home kHome{.project = "p", .database = "d"};

// Bytes that are the same for equal messages.
std::string bytes_of(const v1::Entity& entity) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    entity.SerializeToCodedStream(&out);
  }
  return bytes;
}

v1::Value timestamp(std::int64_t seconds, std::int32_t nanos) {
  v1::Value value;
  value.mutable_timestamp_value()->set_seconds(seconds);
  value.mutable_timestamp_value()->set_nanos(nanos);
  return value;
}

v1::Value blob(const std::string& bytes) {
  v1::Value value;
  value.set_blob_value(bytes);
  return value;
}

v1::Value point(double latitude, double longitude) {
  v1::Value value;
  value.mutable_geo_point_value()->set_latitude(latitude);
  value.mutable_geo_point_value()->set_longitude(longitude);
  return value;
}

v1::Value nested(const v1::Entity& entity) {
  v1::Value value;
  *value.mutable_entity_value() = entity;
  return value;
}

v1::Value meaning(v1::Value value, int meaning) {
  value.set_meaning(meaning);
  return value;
}

v1::Key in(v1::Key key, const std::string& project, const std::string& database, const std::string& name_space) {
  key.mutable_partition_id()->set_project_id(project);
  key.mutable_partition_id()->set_database_id(database);
  key.mutable_partition_id()->set_namespace_id(name_space);
  return key;
}

TEST(EntityJson, WritesEveryTypeAndReadsItBack) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const struct {
    v1::Value value;
    std::string json;
  } cases[] = {
      {v1::Value(), R"({})"},
      {null(), R"({"nullValue":null})"},
      {boolean(false), R"({"booleanValue":false})"},
      {integer(9007199254740993), R"({"integerValue":"9007199254740993"})"},
      {integer(INT64_MIN), R"({"integerValue":"-9223372036854775808"})"},
      {real(0.1), R"({"doubleValue":0.1})"},
      {real(-0.0), R"({"doubleValue":-0.0})"},
      {real(5e-324), R"({"doubleValue":5e-324})"},
      {real(kInf), R"({"doubleValue":"Infinity"})"},
      {real(-kInf), R"({"doubleValue":"-Infinity"})"},
      {real(std::nan("")), R"({"doubleValue":"NaN"})"},
      {timestamp(0, 0), R"({"timestampValue":"1970-01-01T00:00:00Z"})"},
      {timestamp(-62135596800, 1000), R"({"timestampValue":"0001-01-01T00:00:00.000001Z"})"},
      {timestamp(253402300799, 999999000), R"({"timestampValue":"9999-12-31T23:59:59.999999Z"})"},
      {text("a\"\\\n\x01\xe2\x80\xa8\xf0\x9f\x98\x80"), R"({"stringValue":"a\"\\\n\u0001)"
                                                        "\xe2\x80\xa8\xf0\x9f\x98\x80\"}"},
      {blob(std::string("\0\xff\xfe", 3)), R"({"blobValue":"AP/+"})"},
      {point(-90, 0.25), R"({"geoPointValue":{"latitude":-90.0,"longitude":0.25}})"},
      {key_value(v1::Key()), R"({"keyValue":{}})"},
      {key_value(in(key("A", 7, "B"), "p", "d", "n")),
       R"({"keyValue":{"partitionId":{"namespaceId":"n"},"path":[{"id":"7","kind":"A"},{"kind":"B"}]}})"},
      {key_value(in(key("A", "x"), "p", "", "")),
       R"({"keyValue":{"partitionId":{"projectId":"p"},"path":[{"kind":"A","name":"x"}]}})"},
      {nested(v1::Entity()), R"({"entityValue":{"properties":{}}})"},
      {nested(entity(key("A", 1), {{"b", integer(2)}, {"a", null()}})),
       R"({"entityValue":{"key":{"path":[{"id":"1","kind":"A"}]},)"
       R"("properties":{"a":{"nullValue":null},"b":{"integerValue":"2"}}}})"},
      {array({}), R"({"arrayValue":{"values":[]}})"},
      {unindexed(array({})), R"({"arrayValue":{"values":[]},"excludeFromIndexes":true})"},
      {array({v1::Value(), unindexed(text(""))}),
       R"({"arrayValue":{"values":[{},{"excludeFromIndexes":true,"stringValue":""}]}})"},
      {meaning(unindexed(integer(1)), -18), R"({"excludeFromIndexes":true,"integerValue":"1","meaning":-18})"},
  };
  for (const auto& [value, json] : cases) {
    SCOPED_TRACE(json);
    const v1::Entity original = entity(in(key("K", "n"), "p", "d", ""), {{"v", value}});
    const auto line = to_json(original, kHome);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(*line, R"({"key":{"path":[{"kind":"K","name":"n"}]},"properties":{"v":)" + json + "}}");
    const auto read = from_json(*line);
    ASSERT_TRUE(read.ok()) << read.status();
    // A key without project and database gets those of the database into which it is put.
    const auto again = to_json(*read, {.project = "", .database = ""});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, *line);
  }
}

TEST(EntityJson, ReadsWhatOtherProgramsWrite) {
  const struct {
    std::string json;
    v1::Value value;
  } cases[] = {
      {R"({"integerValue": -5})", integer(-5)},
      {R"({"nullValue": "NULL_VALUE"})", null()},
      {R"({"doubleValue": 1})", real(1)},
      {R"({"doubleValue": -0})", real(-0.0)},
      {R"({"doubleValue": 123456789012345678901234567890})", real(123456789012345678901234567890.0)},
      {R"({"timestampValue": "2026-01-31T13:00:00.5+01:00"})", timestamp(1769860800, 500000000)},
      {R"({"stringValue": "\ud83d\ude00\u0000"})", text(std::string("\xf0\x9f\x98\x80\0", 5))},
      {R"({"arrayValue": {}})", array({})},
      {R"({"meaning": "15"})", meaning(v1::Value(), 15)},
  };
  for (const auto& [json, value] : cases) {
    SCOPED_TRACE(json);
    const auto read = from_json(R"( {"properties":{"v":)" + json + R"(},"key":{"path":[{"kind":"K","id":1}]}} )");
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(bytes_of(*read), bytes_of(entity(key("K", 1), {{"v", value}})));
  }
}

std::string repeated(const std::string& piece, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += piece;
  return out;
}

TEST(EntityJson, NamesWhatIsWrong) {
  const auto with_value = [](const std::string& value) {
    return R"({"key":{"path":[{"kind":"K","id":"1"}]},"properties":{"v":)" + value + "}}";
  };
  const struct {
    std::string line;
    std::string says;
  } cases[] = {
      {"", "this is no JSON: column 1"},
      {R"({"key")", "this is no JSON: column 7"},
      {R"({"key":{}} x)", "this is no JSON: column 12"},
      {"\"\xff\"", "this is no JSON: column 2"},
      {"[]", "must be an object"},
      {R"({"properties":{}})", "key: the entity has no key"},
      {R"({"key":{"path":[]}})", "key: the entity has no key"},
      {R"({"key":{"path":[{"kind":"K"}]}})", "key.path[0]: has no id and no name"},
      {R"({"key":{"path":[{"kind":"K","id":0}]}})", "key.path[0]: has no id and no name"},
      {R"({"key":{"path":[{"kind":"K","id":1},{"name":"x"}]}})", "key.path[1]: has no kind"},
      {R"({"key":{"path":[{"kind":"K","id":1,"name":"x"}]}})", "key.path[0]: has both an id and a name"},
      {R"({"key":{"path":[{"kind":1}]}})", "key.path[0].kind: must be a string"},
      {R"({"key":{"path":{}}})", "key.path: must be an array"},
      {R"({"key":{"partitionId":{"database":""}}})", "key.partitionId.database: there is no field \"database\""},
      {R"({"entity":{}})", "entity: there is no field \"entity\""},
      {R"({"key":{},"key":{}})", "the name \"key\" is twice"},
      {with_value(R"({"a":{}})"), "properties.v.a: there is no field \"a\""},
      {with_value("null"), "properties.v: must be an object"},
      {with_value(R"({"integerValue":"1x"})"), "properties.v.integerValue: must be an integer of 64 bits"},
      {with_value(R"({"integerValue":1.5})"), "properties.v.integerValue: must be an integer of 64 bits"},
      {with_value(R"({"integerValue":"9223372036854775808"})"), "properties.v.integerValue: must be an integer"},
      {with_value(R"({"doubleValue":"1"})"), "properties.v.doubleValue: must be a number"},
      {with_value(R"({"booleanValue":1})"), "properties.v.booleanValue: must be true or false"},
      {with_value(R"({"nullValue":0})"), "properties.v.nullValue: must be null"},
      {with_value(R"({"timestampValue":"2026-01-31"})"), "properties.v.timestampValue: must be a time"},
      {with_value(R"({"blobValue":"!"})"), "properties.v.blobValue: must be a string of base64"},
      {with_value(R"({"stringValue":"\ud800"})"), "this is no JSON: column"},
      {with_value(R"({"meaning":4294967296})"), "properties.v.meaning: must be an integer of 32 bits"},
      {with_value(R"({"excludeFromIndexes":"yes"})"), "properties.v.excludeFromIndexes: must be true or false"},
      {with_value(R"({"geoPointValue":{"lat":1}})"), "properties.v.geoPointValue.lat: there is no field"},
      {with_value(R"({"integerValue":"1","stringValue":""})"), "one type only, and this one has integerValue already"},
      {with_value(R"({"arrayValue":{"values":[{},{"integerValue":""}]}})"),
       "properties.v.arrayValue.values[1].integerValue: must be an integer"},
      {with_value(R"({"entityValue":{"properties":{"a.b\n":{"x":1}}}})"),
       R"(properties.v.entityValue.properties."a.b\n".x: there is no field "x")"},
      {with_value(std::string(10'000, '[')), "nested too deeply"},
      {with_value(R"({"doubleValue":1e999})"), "column 78: the number 1e999 is out of a double's range"},
      {with_value(R"({"doubleValue":-1e400})"), "the number -1e400 is out of a double's range"},
      {with_value(R"({"doubleValue":)" + std::string(400, '9') + "}"), "is out of a double's range"},
      {with_value(R"({"doubleValue":NaN})"), "this is no JSON: column"},
      {with_value("{}") + std::string(1, '\0') + R"({"this is":"not to be lost"})", "column 63: a byte is NUL"},
      {with_value("{}") + std::string(1, '\0'), "a byte is NUL"},
      {with_value("{\"stringValue\":\"" + std::string(1, '\0') + "\"}"), "a byte is NUL"},
      {R"({"key":{"path":[{"kind":"K","id":1})" + repeated(R"(,{"kind":"K","id":1})", 100) + "]}}",
       "key.path: a key has at most 100 elements"},
      {with_value(std::string(10'000, '[') + std::string(10'000, ']')), "nested too deeply"},
      {std::string(201, '[') + R"({"a":1,"a":1})" + std::string(201, ']'), "nested too deeply"},
  };
  for (const auto& [line, says] : cases) {
    SCOPED_TRACE(line.substr(0, 200));
    const auto read = from_json(line);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(says));
  }
}

// Each property was once compared with all those before it, which took quadratic time.
TEST(EntityJson, ReadsAsManyPropertiesAsALineHolds) {
  constexpr int kProperties = 200'000;
  std::string line = R"({"key":{"path":[{"kind":"K","id":"1"}]},"properties":{)";
  for (int i = 0; i < kProperties; ++i)
    line += (i == 0 ? "\"p" : ",\"p") + std::to_string(i) + "\":{\"integerValue\":\"1\"}";
  const auto read = from_json(line + "}}");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->properties_size(), kProperties);
  EXPECT_THAT(std::string(from_json(line + R"(,"p0":{}}})").status().message()), HasSubstr("the name \"p0\" is twice"));
}

// Entities as deep as a Datastore accepts, and deeper ones, as protobuf accepts.
TEST(EntityJson, NestedEntitiesGoBothWays) {
  v1::Entity deep = entity(key("K", 1), {{"v", integer(1)}});
  for (int i = 0; i < 30; ++i) {
    v1::Entity outer = entity(key("K", 1));
    (*outer.mutable_properties())["v"] = nested(deep);
    deep = outer;
  }
  const auto read = from_json(to_json(deep, kHome).value_or(""));
  ASSERT_TRUE(read.ok()) << read.status();
}

TEST(EntityJson, RefusesToLoseWhatItDoesNotKnow) {
  v1::Entity newer = entity(key("K", 1), {{"v", v1::Value()}});
  v1::Value& value = (*newer.mutable_properties())["v"];
  value.GetReflection()->MutableUnknownFields(&value)->AddVarint(99, 1);
  EXPECT_EQ(to_json(newer, kHome).status().code(), absl::StatusCode::kDataLoss);
}

// Random values of every type and depth.
class RandomEntities {
 public:
  explicit RandomEntities(std::uint64_t seed) : random_(seed) {}

  v1::Entity next(int depth = 0) {
    v1::Entity out;
    if (depth == 0 || below(2) == 0) *out.mutable_key() = some_key(depth == 0);
    for (std::uint64_t i = below(6); i > 0; --i) (*out.mutable_properties())[some_text()] = some_value(depth, false);
    return out;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  std::string some_text() {
    std::string out;
    for (std::uint64_t i = below(8); i > 0; --i) {
      static const std::string kPieces[] = {
          "a",  "B",  ".",        "\"",   "\\", std::string(1, '\0'), "\n",
          "\r", "\t", "\xc3\xa9", "\x7f", "/",  "\xe2\x80\xa9",       "\xf4\x8f\xbf\xbf"};
      out += kPieces[below(std::size(kPieces))];
    }
    return out;
  }

  v1::Key some_key(bool complete) {
    v1::Key out;
    if (below(2) == 0) out.mutable_partition_id()->set_namespace_id("n" + some_text());
    if (below(4) == 0) {
      out.mutable_partition_id()->set_project_id("other");
      out.mutable_partition_id()->set_database_id(some_text());
    }
    for (std::uint64_t i = 1 + below(3); i > 0; --i) {
      v1::Key::PathElement& element = *out.add_path();
      element.set_kind("K" + some_text());
      if (below(2) == 0) {
        element.set_id(static_cast<std::int64_t>(random_() | 1));
      } else if (complete || below(2) == 0) {
        element.set_name("n" + some_text());
      }
    }
    return out;
  }

  double some_double() {
    const auto number = std::bit_cast<double>(random_());
    return std::isnan(number) ? std::numeric_limits<double>::quiet_NaN() : number;  // bits in a NaN mean nothing
  }

  v1::Value some_value(int depth, bool in_array) {
    v1::Value out;
    switch (below(12)) {
      case 0:
        break;
      case 1:
        out = null();
        break;
      case 2:
        out = boolean(below(2) == 0);
        break;
      case 3:
        out = integer(static_cast<std::int64_t>(random_()));
        break;
      case 4:
        out = real(below(4) == 0 ? static_cast<double>(random_()) : some_double());
        break;
      case 5:
        out = timestamp(static_cast<std::int64_t>(below(315537897600)) - 62135596800,
                        static_cast<std::int32_t>(below(1'000'000) * 1000));
        break;
      case 6:
        out = key_value(below(8) == 0 ? v1::Key() : some_key(false));
        break;
      case 7:
        out = text(some_text());
        break;
      case 8:
        out = blob(std::string(reinterpret_cast<const char*>(&random_), below(40)));
        break;
      case 9:
        out = point(some_double(), some_double());
        break;
      case 10:
        if (depth < 4) out = nested(next(depth + 1));
        break;
      default:
        if (in_array) break;
        out = array({});
        for (std::uint64_t i = below(4); i > 0; --i) {
          *out.mutable_array_value()->add_values() = some_value(depth, true);
        }
    }
    if (below(4) == 0) out.set_exclude_from_indexes(true);
    if (below(4) == 0) out.set_meaning(static_cast<std::int32_t>(random_()));
    return out;
  }

  std::mt19937_64 random_;
};

TEST(EntityJson, RandomEntitiesComeBack) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomEntities entities(seed);
  for (int i = 0; i < 5000; ++i) {
    const v1::Entity original = entities.next();
    const auto line = to_json(original, kHome);
    ASSERT_TRUE(line.ok()) << line.status();
    ASSERT_EQ(line->find('\n'), std::string::npos);
    const auto read = from_json(*line);
    ASSERT_TRUE(read.ok()) << read.status() << "\n" << *line;
    ASSERT_EQ(bytes_of(*read), bytes_of(original)) << *line;
  }
}

}  // namespace
