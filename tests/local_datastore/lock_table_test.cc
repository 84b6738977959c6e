// Who waits for whom. A wait that is to fail has a short limit; one that is to succeed a long one.
#include "local_datastore/concurrency/lock_table.h"

#include <gmock/gmock.h>

#include <thread>

namespace ndb::testing {
namespace {

using local::LockTable;
using local::ReadSet;
using Owner = LockTable::Owner;

constexpr std::chrono::milliseconds kShort(5);
constexpr std::chrono::minutes kLong(1);
const local::CallContext kCall;

ReadSet key_read(const std::string& key) {
  ReadSet reads;
  reads.keys.insert(key);
  return reads;
}
ReadSet range_read(const std::string& begin, const std::string& end) { return {.ranges = {{begin, end}}}; }

TEST(LockTableTest, ReadersShareAndWritersExclude) {
  struct Case {
    const char* name;
    ReadSet reads;
    std::string write;
    bool meets;
  };
  const std::vector<Case> cases = {
      {"the key", key_read("k"), "k", true},          {"another", key_read("k"), "l", false},
      {"longer", key_read("k"), "ka", false},         {"in the range", range_read("a", "c"), "b", true},
      {"its begin", range_read("a", "c"), "a", true}, {"its end", range_read("a", "c"), "c", false},
      {"nothing", range_read("c", "c"), "c", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    LockTable table(Clock::system(), kShort);
    Owner one(1), two(2), three(3);
    ASSERT_TRUE(table.share(kCall, one, c.reads).ok());
    EXPECT_TRUE(table.share(kCall, two, c.reads).ok());
    EXPECT_TRUE(table.share(kCall, two, c.reads).ok()) << "again";
    EXPECT_EQ(table.exclude(kCall, three, {c.write}).ok(), !c.meets);
    table.release(one);
    EXPECT_EQ(table.exclude(kCall, three, {c.write}).ok(), !c.meets) << "the second still reads";
    table.release(two);
    EXPECT_TRUE(table.exclude(kCall, three, {c.write}).ok());
    EXPECT_EQ(table.share(kCall, one, c.reads).ok(), !c.meets);
    EXPECT_TRUE(table.share(kCall, three, c.reads).ok()) << "nobody is in his own way";
    for (Owner* owner : {&one, &two, &three}) table.close(*owner);
    EXPECT_EQ(table.share(kCall, one, c.reads).code(),
              c.name == std::string("nothing") ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition);
  }
}

TEST(LockTableTest, TheYoungestOfACircleGoes) {
  LockTable table(Clock::system(), kLong);
  std::vector<std::unique_ptr<Owner>> owners;
  for (std::uint64_t age : {2U, 1U, 3U}) owners.push_back(std::make_unique<Owner>(age));
  const std::vector<std::string> keys = {"a", "b", "c"};
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(table.share(kCall, *owners[i], key_read(keys[i])).ok());
  std::vector<absl::Status> outcomes(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] = table.exclude(kCall, *owners[i], {keys[(i + 1) % 3]});
      table.close(*owners[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_TRUE(outcomes[1].ok());
  EXPECT_TRUE(absl::IsAborted(outcomes[2])) << outcomes[2];
}

TEST(LockTableTest, ClosingEndsWaits) {
  LockTable table(Clock::system(), kLong);
  Owner reader(1), writer(2);
  ASSERT_TRUE(table.share(kCall, reader, key_read("k")).ok());
  absl::Status outcome;
  std::thread thread([&] { outcome = table.exclude(kCall, writer, {"k"}); });
  table.close(writer);
  thread.join();
  EXPECT_TRUE(absl::IsFailedPrecondition(outcome)) << "whether it waited already or not";
  table.close(reader);
}

}  // namespace
}  // namespace ndb::testing
