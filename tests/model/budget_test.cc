// How much memory an entity may take when it is decoded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/coding.h"
#include "model/compression.h"
#include "model/entity_wire.h"
#include "model/wire.h"
#include "ndb/model.h"

namespace ndb {
namespace {

using detail::append_bytes;
using detail::append_varint;
using testing::decode;
using testing::encode;
using ::testing::HasSubstr;

struct Part {
  std::string text{};
  std::int64_t number = 0;
  std::vector<std::string> list{};
  NDB_PROPERTIES(Part, text, number, list)
};
struct Inner {
  Blob bytes{};
  NDB_PROPERTIES(Inner, (bytes, .compressed = true))
};
struct Middle {
  Blob bytes{};
  Inner box{};
  NDB_PROPERTIES(Middle, (bytes, .compressed = true), (box, .local = true))
};
struct Outer {
  Blob bytes{};
  Middle box{};
  NDB_PROPERTIES(Outer, (bytes, .compressed = true), (box, .local = true))
};
class Held : public Model<Held> {
 public:
  struct Properties {
    std::vector<Part> parts{};
    std::vector<Part> packed{};
    std::vector<Blob> blobs{};
    std::vector<Key> keys{};
    Text text{};
    Outer box{};
    Value any{};
    Expando others{};
  };
  NDB_MODEL(parts, (packed, .compressed = true, .local = true), (blobs, .compressed = true), keys,
            (text, .compressed = true), (box, .local = true), any, others)
};

// Pieces of a serialized entity.
std::string blob(std::string_view bytes, bool compressed) {
  std::string value;
  if (compressed) value = {14 << 3, 22};
  detail::append_bytes(value, 18, bytes);
  return value;
}
std::string array(std::size_t count, std::string_view element) {
  std::string elements, value;
  for (std::size_t i = 0; i < count; ++i) append_bytes(elements, 1, element);
  append_bytes(value, 9, elements);
  return value;
}
std::string bomb(std::size_t size) { return detail::deflated(std::string(size, '\0')); }

absl::Status read(std::string_view name, std::string_view value) {
  return decode<Held>(Key("Held", id(1)), detail::property_field(name, value)).status();
}
absl::Status read_entity(std::string_view name, std::string_view value) {
  return decode<Entity>(Key("Held", id(1)), detail::property_field(name, value)).status();
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(BudgetTest, IsOneForAllThatIsCompressedInAnEntity) {
  const std::string twenty = blob(bomb(20 * kMiB), true);
  EXPECT_TRUE(read("blobs", array(3, twenty)).ok());
  const absl::Status four = read("blobs", array(4, twenty));
  EXPECT_THAT(std::string(four.message()), HasSubstr("property \"blobs\" of Held makes the entity larger than 64 MiB"));
  EXPECT_FALSE(read("text", blob(bomb(65 * kMiB), true)).ok());
}

TEST(BudgetTest, ElementsCountByWhatTheyTakeInMemory) {
  // As many as fit into a stored entity.
  EXPECT_TRUE(read("any", array(500'000, "")).ok());
  EXPECT_TRUE(read_entity("any", array(500'000, "")).ok());
  EXPECT_TRUE(read("parts", array(250'000, std::string_view("\x32\0", 2))).ok());
  EXPECT_TRUE(read("parts.text", array(500'000, "")).ok());
  // As much as fits into a compressed struct.
  const std::string_view part("\x32\0", 2);
  for (const std::string& inside : {detail::property_field("list", array(8'000'000, "")),
                                    detail::property_field("elsewhere", array(20'000'000, ""))}) {
    const std::string packed = blob(detail::deflated(inside), true);
    const bool kept_as_bytes = inside.find("elsewhere") != std::string::npos;
    EXPECT_EQ(read("packed", packed).ok(), kept_as_bytes) << inside.size();
  }
  EXPECT_FALSE(read("parts", array(3'000'000, part)).ok());
  EXPECT_FALSE(read("parts.text", array(3'000'000, "")).ok());
  EXPECT_FALSE(read("any", array(3'000'000, "")).ok());
  EXPECT_FALSE(read("others", array(3'000'000, "")).ok()) << "a dynamic property";
  EXPECT_FALSE(read_entity("any", array(3'000'000, part)).ok());
  std::string key;
  append_bytes(key, 5, Key("K", id(1), {.project = "p"}).bytes());
  EXPECT_TRUE(read("keys", array(50'000, key)).ok());
  EXPECT_FALSE(read("keys", array(500'000, key)).ok());
}

TEST(BudgetTest, StructsWithinEachOtherShareIt) {
  std::string box = detail::property_field("bytes", blob(bomb(25 * kMiB), true));
  EXPECT_TRUE(read("box", blob(box, false)).ok());
  box += detail::property_field("box", blob(box, false));
  EXPECT_TRUE(read("box", blob(box, false)).ok());
  box += detail::property_field("box", blob(box, false));
  EXPECT_FALSE(read("box", blob(box, false)).ok());
}

// ... and all entities of one batch.
TEST(BudgetTest, IsOneForABatchToo) {
  const std::string entity = detail::property_field("text", blob(bomb(60 * kMiB), true));
  detail::Budget batch(100 * kMiB);
  const auto read_in_batch = [&](int number) {
    return detail::decode_entity(detail::info<Held>(), Key("Held", id(number)), entity, &batch).status();
  };
  EXPECT_TRUE(read_in_batch(1).ok());
  EXPECT_THAT(std::string(read_in_batch(2).message()),
              HasSubstr("Key('Held', 2) is not read: the entities of one batch"));
}

// What could not be read is not written either.
TEST(BudgetTest, HoldsForWritingToo) {
  const auto written = [](Held::Properties properties) {
    return encode(Held::make(std::move(properties), id(1))).status();
  };
  const absl::Status large = written({.text = Text(std::string(65 * kMiB, 'x'))});
  EXPECT_THAT(std::string(large.message()),
              HasSubstr("\"text\" of Held makes the entity larger than 64 MiB in memory"));
  EXPECT_FALSE(written({.blobs = std::vector<Blob>(2, Blob(std::string(33 * kMiB, 'x')))}).ok());
  EXPECT_FALSE(written({.packed = {Part{.list = std::vector<std::string>(3'000'000)}}}).ok());
  EXPECT_FALSE(written({.packed = std::vector<Part>(1'000'000)}).ok());

  const Held kept = Held::make(
      {.blobs = std::vector<Blob>(2, Blob(std::string(20 * kMiB, 'x'))), .text = Text(std::string(20 * kMiB, 'x'))},
      id(1));
  EXPECT_EQ(testing::convert<Held>(kept), kept);
}

}  // namespace
}  // namespace ndb
