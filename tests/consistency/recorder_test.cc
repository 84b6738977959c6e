// What was recorded can be loaded, even if writers were killed in between.
#include "consistency/recorder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/strings.h"

namespace ndb::consistency {
namespace {

class Recording : public ::testing::Test {
 protected:
  Recording() { std::filesystem::create_directories(directory_); }
  ~Recording() override { std::filesystem::remove_all(directory_); }
  History loaded() const {
    History history;
    load(directory_, history);
    return history;
  }

  const std::string directory_ =
      (std::filesystem::temp_directory_path() / cat("ndb-recorder-test-", getpid())).string();
};

TEST_F(Recording, JoinsCallsAnswersAndFacts) {
  Recorder facts(directory_ + "/0.stub");  // read first or last: the order of the files must not matter
  Recorder calls(directory_ + "/1");
  const Cell put{.id = 7, .version = 30, .key = 3};
  const Cell gone{.id = 8, .key = 4, .erases = true};
  facts.fact(Fact::kSent, {{put, gone}});
  facts.fact(Fact::kApplied, {&put, 1});
  facts.fact(Fact::kRefused, {&gone, 1});
  calls.call(7, 99, {&put, 1});
  calls.acknowledge(7);
  calls.call(8, 99, {&gone, 1});
  calls.read(5, 99, true, {{Cell{.id = 7, .key = 3, .tier = Tier::kMemcache}}});

  const History history = loaded();
  ASSERT_EQ(history.writes.size(), 2U);
  const Write& first = history.writes[0];
  EXPECT_TRUE(first.is_acknowledged() && first.sent && first.applied && !first.refused && !first.erases);
  EXPECT_LE(first.invoked, first.acknowledged);
  EXPECT_EQ(first.version, 30U);
  EXPECT_EQ(first.session, 99U);
  const Write& second = history.writes[1];
  EXPECT_TRUE(second.refused && second.erases && !second.is_acknowledged() && !second.may_apply());
  ASSERT_EQ(history.reads.size(), 1U);
  EXPECT_EQ(history.reads[0].id, 7U);
  EXPECT_EQ(history.reads[0].key, 3U);
  EXPECT_EQ(history.reads[0].tier, Tier::kMemcache);
  EXPECT_TRUE(history.reads[0].remembered);
  EXPECT_EQ(history.reads[0].begin, 5);
  EXPECT_TRUE(history.flaws.empty());
}

TEST_F(Recording, LeavesOutARecordThatWasCutShort) {
  const std::string path = directory_ + "/1";
  {
    Recorder calls(path);
    calls.call(7, 99, {{Cell{.key = 3}}});
    calls.acknowledge(7);
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const History history = loaded();
  ASSERT_EQ(history.writes.size(), 1U);
  EXPECT_FALSE(history.writes[0].is_acknowledged());
}

TEST_F(Recording, TwoVersionsOfOneWriteAreAFlaw) {
  Recorder facts(directory_ + "/0.stub");
  for (const Version version : {30U, 31U}) facts.fact(Fact::kFound, {{Cell{.id = 7, .version = version, .key = 3}}});
  EXPECT_EQ(loaded().flaws.size(), 1U);
}

}  // namespace
}  // namespace ndb::consistency
