// Who waits for whom. A wait that must fail has a short limit; one that must succeed has a long one.
#include "local_datastore/concurrency/lock_table.h"

#include <gmock/gmock.h>

#include <thread>

namespace ndb::testing {
namespace {

using local::LockTable;
using local::ReadSet;
using Owner = LockTable::Owner;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kShort(5);
constexpr std::chrono::minutes kLong(1);

// A lock table, and how long its requests wait.
class Locks {
 public:
  explicit Locks(std::chrono::nanoseconds wait) : wait_(wait) {}
  absl::Status share(Owner& owner, const ReadSet& reads) { return table_.share(call_, owner, reads, until()); }
  absl::Status exclude(Owner& owner, const std::vector<std::string>& keys) {
    return table_.exclude(call_, owner, keys, until());
  }
  void release(Owner& owner) { table_.release(owner); }
  void close(Owner& owner) { table_.close(owner); }
  void wait_for_waiters(std::size_t count) {
    while (table_.waiting() < count) std::this_thread::yield();
  }

 private:
  Monotonic until() const { return Clock::system().monotonic() + wait_; }

  const std::chrono::nanoseconds wait_;
  const local::CallContext call_;
  LockTable table_{Clock::system(), [](std::string_view key) { return "key " + std::string(key); }};
};

std::unique_ptr<Owner> owner(std::uint64_t age) {
  return std::make_unique<Owner>(age, "owner " + std::to_string(age), Clock::system().monotonic());
}

ReadSet key_read(const std::string& key) {
  ReadSet reads;
  reads.keys.insert(key);
  return reads;
}
ReadSet range_read(const std::string& begin, const std::string& end) {
  ReadSet reads;
  reads.ranges.add({begin, end});
  return reads;
}

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
    Locks table(kShort);
    const auto first = owner(1), second = owner(2), third = owner(3);
    Owner &one = *first, &two = *second, &three = *third;
    ASSERT_TRUE(table.share(one, c.reads).ok());
    EXPECT_TRUE(table.share(two, c.reads).ok());
    EXPECT_TRUE(table.share(two, c.reads).ok()) << "again";
    EXPECT_EQ(table.exclude(three, {c.write}).ok(), !c.meets);
    table.release(one);
    EXPECT_EQ(table.exclude(three, {c.write}).ok(), !c.meets) << "the second still reads";
    table.release(two);
    EXPECT_TRUE(table.exclude(three, {c.write}).ok());
    EXPECT_EQ(table.share(one, c.reads).ok(), !c.meets);
    EXPECT_TRUE(table.share(three, c.reads).ok()) << "nobody is in his own way";
    for (Owner* owner : {&one, &two, &three}) table.close(*owner);
    EXPECT_EQ(table.share(one, c.reads).code(),
              c.name == std::string("nothing") ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition);
  }
}

TEST(LockTableTest, TheYoungestOfADeadlockIsAborted) {
  Locks table(kLong);
  std::vector<std::unique_ptr<Owner>> owners;
  for (std::uint64_t age : {2U, 1U, 3U}) owners.push_back(owner(age));
  const std::vector<std::string> keys = {"a", "b", "c"};
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(table.share(*owners[i], key_read(keys[i])).ok());
  std::vector<absl::Status> outcomes(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] = table.exclude(*owners[i], {keys[(i + 1) % 3]});
      table.close(*owners[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(outcomes[0].ok());
  EXPECT_TRUE(outcomes[1].ok());
  EXPECT_TRUE(absl::IsAborted(outcomes[2])) << outcomes[2];
  EXPECT_THAT(std::string(outcomes[2].message()), HasSubstr("youngest of a deadlock"));
  for (const char* wait :
       {"owner 2, begun ", "owner 1, begun ", "owner 3, begun ", "waits for the exclusive lock of key a"}) {
    EXPECT_THAT(std::string(outcomes[2].message()), HasSubstr(wait));
  }
}

TEST(LockTableTest, ClosingEndsWaits) {
  Locks table(kLong);
  const auto first = owner(1), second = owner(2);
  Owner &reader = *first, &writer = *second;
  ASSERT_TRUE(table.share(reader, key_read("k")).ok());
  absl::Status outcome;
  std::thread thread([&] { outcome = table.exclude(writer, {"k"}); });
  table.close(writer);
  thread.join();
  EXPECT_TRUE(absl::IsFailedPrecondition(outcome)) << "whether it waited already or not";
  table.close(reader);
}

// Whatever the ages of the owners: also a reader behind a waiting writer, though another reader holds the lock.
TEST(LockTableTest, RequestsAreGrantedInOrder) {
  Locks table(kLong);
  const auto holder = owner(1);
  ASSERT_TRUE(table.share(*holder, key_read("k")).ok());
  struct Case {
    std::uint64_t age;
    bool writes;
  };
  const std::vector<Case> cases = {{7, true}, {3, false}, {9, true}, {2, true}, {8, false}, {4, true}};
  std::vector<std::uint64_t> order;
  Mutex mutex;
  std::vector<std::thread> threads;
  for (const Case& c : cases) {
    threads.emplace_back([&table, &order, &mutex, c] {
      const auto me = owner(c.age);
      EXPECT_TRUE((c.writes ? table.exclude(*me, {"k"}) : table.share(*me, key_read("k"))).ok());
      {
        const MutexLock lock(mutex);
        order.push_back(c.age);
      }
      table.close(*me);
    });
    table.wait_for_waiters(threads.size());
  }
  table.close(*holder);
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, ElementsAre(7, 3, 9, 2, 8, 4));
}

// The queue advances when a request in it times out.
TEST(LockTableTest, ARequestThatTimesOutBlocksNobody) {
  Locks table(kLong);
  const auto holder = owner(1), writer = owner(2), reader = owner(3);
  ASSERT_TRUE(table.share(*holder, key_read("k")).ok());
  std::thread waits([&] { EXPECT_FALSE(table.exclude(*writer, {"k"}).ok()); });
  table.wait_for_waiters(1);
  std::thread behind([&] { EXPECT_TRUE(table.share(*reader, key_read("k")).ok()); });
  table.wait_for_waiters(2);
  table.close(*writer);
  waits.join();
  behind.join();
  table.close(*holder);
  table.close(*reader);
}

// An owner that holds a shared lock and wants it exclusively does not queue behind those that wait for that same lock.
TEST(LockTableTest, AnUpgradePrecedesWaitersForTheSameLock) {
  Locks table(kLong);
  const auto holder = owner(2), writer = owner(1);
  ASSERT_TRUE(table.share(*holder, key_read("k")).ok());
  std::thread waits([&] { EXPECT_TRUE(table.exclude(*writer, {"k"}).ok()); });
  table.wait_for_waiters(1);
  EXPECT_TRUE(table.exclude(*holder, {"k"}).ok());
  table.close(*holder);
  waits.join();
  table.close(*writer);
}

// All waits of a request together last no longer than its limit.
TEST(LockTableTest, ATimedOutWaitNamesItsKeys) {
  Locks table(kShort);
  const auto reader = owner(1), writer = owner(2);
  ASSERT_TRUE(table.share(*reader, range_read("a", "c")).ok());
  const absl::Status status = table.exclude(*writer, {"b"});
  EXPECT_THAT(std::string(status.message()), HasSubstr("owner 2, begun "));
  EXPECT_THAT(std::string(status.message()), HasSubstr(" ms for the exclusive lock of key b, which owner 1, begun "));
  table.close(*reader);
  table.close(*writer);
}

TEST(KeyRangesTest, AreASetOfKeys) {
  local::KeyRanges ranges;
  for (const auto& [begin, end] : std::vector<std::pair<std::string, std::string>>{
           {"d", "f"}, {"b", "c"}, {"c", "d"}, {"k", "m"}, {"l", "l"}, {"l", "n"}, {"a", "b"}, {"x", "w"}}) {
    ranges.add({begin, end});
  }
  std::vector<std::string> shown;
  for (const auto& [begin, end] : ranges) shown.push_back(begin + "-" + end);
  EXPECT_THAT(shown, ElementsAre("a-f", "k-n"));
  for (const char* inside : {"a", "azz", "e", "k", "mz"}) EXPECT_TRUE(ranges.contains(inside)) << inside;
  for (const char* outside : {"", "f", "j", "n", "x"}) EXPECT_FALSE(ranges.contains(outside)) << outside;
}

}  // namespace
}  // namespace ndb::testing
