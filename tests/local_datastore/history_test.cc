// How much history is kept: a duration and a number of bytes, but in any case what somebody reads.
#include "local_datastore/concurrency/history.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "local_datastore/engine_client.h"
#include "ndb/error.h"
#include "support/fake_clock.h"

namespace ndb::testing {
namespace {

using local::CallContext;
using ::testing::HasSubstr;

constexpr std::size_t kLimit = 100'000;

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() {
    local::Engine::Options options;
    options.history.bytes = kLimit;
    engine_ = *local::Engine::open(options, clock_);
  }

  // Writes an entity of ten kilobytes, and returns its version.
  std::int64_t put(std::int64_t n) {
    std::int64_t version = 0;
    const v1::Entity e = entity(key("K", 1), {{"n", integer(n)}, {"text", unindexed(text(std::string(10'000, 'x')))}});
    EXPECT_TRUE(engine_put(*engine_, e, CallContext(), &version).ok());
    return version;
  }
  void put_many() {
    for (int i = 0; i < 50; ++i) put(-i);
  }

  // The number as of the options, or a status.
  absl::StatusOr<std::int64_t> number(const v1::ReadOptions& options) {
    v1::LookupResponse response;
    const absl::Status status = engine_get(*engine_, key("K", 1), CallContext(), options, response);
    if (!status.ok()) return status;
    transaction_ = response.transaction();
    return response.found(0).entity().properties().at("n").integer_value();
  }
  absl::StatusOr<std::int64_t> number_at(std::int64_t version) {
    v1::ReadOptions options;
    local::set_timestamp(*options.mutable_read_time(), local::Version(version));
    return number(options);
  }

  FakeClock clock_;
  std::unique_ptr<local::Engine> engine_;
  std::string transaction_;
};

TEST_F(HistoryTest, TheOldestIsForgottenBeyondTheLimit) {
  const std::int64_t first = put(1);
  const std::int64_t second = put(2);
  EXPECT_EQ(*number_at(first), 1);
  put_many();
  const std::int64_t last = put(3);
  put(4);
  ASSERT_TRUE(engine_->collect_garbage().ok());
  EXPECT_EQ(*number_at(last), 3);
  EXPECT_EQ(*number({}), 4);
  for (const std::int64_t forgotten : {first, second}) {
    const absl::Status status = number_at(forgotten).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("at most 100000 bytes"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("The oldest time that can be read is 20"));
  }
}

TEST_F(HistoryTest, ReadsOfATransactionAreMergedIntoItsParent) {
  put(1);
  EXPECT_EQ(*number(new_transaction(true)), 1);
  const std::string reader = transaction_;
  put_many();
  EXPECT_EQ(*engine_->collect_garbage(), 0U);
  EXPECT_EQ(*number(in_transaction(reader)), 1);
  v1::RollbackRequest rollback;
  rollback.set_project_id(kProject);
  rollback.set_transaction(reader);
  v1::RollbackResponse response;
  ASSERT_TRUE(engine_->rollback(CallContext(), rollback, response).ok());
  EXPECT_GT(*engine_->collect_garbage(), 30U);
}

TEST_F(HistoryTest, AReadAtATimeThatIsForgottenDoesNotBegin) {
  const std::int64_t first = put(1);
  put_many();
  ASSERT_TRUE(engine_->collect_garbage().ok());
  v1::ReadOptions options = new_transaction(true);
  local::set_timestamp(*options.mutable_new_transaction()->mutable_read_only()->mutable_read_time(),
                       local::Version(first));
  EXPECT_TRUE(absl::IsFailedPrecondition(number(options).status()));
}

TEST_F(HistoryTest, AnErasedEntityIsForgottenWhole) {
  const std::int64_t version = put(1);
  v1::CommitRequest request;
  request.set_project_id(kProject);
  request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  *request.add_mutations() = erase(key("K", 1));
  v1::CommitResponse response;
  ASSERT_TRUE(engine_->commit(CallContext(), request, response).ok());
  EXPECT_EQ(*number_at(version), 1);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(
        engine_put(*engine_, entity(key("L", 1), {{"t", unindexed(text(std::string(10'000, 'x')))}}), CallContext())
            .ok());
  }
  ASSERT_TRUE(engine_->collect_garbage().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(number_at(version).status()));
}

TEST(DurationsTest, OnesThatMakeNoSenseAreNamed) {
  using std::chrono::milliseconds;
  const std::vector<std::pair<LocalDatastore::Options, const char*>> cases = {
      {{.lock_timeout = milliseconds(-1)}, "lock_timeout"},
      {{.transaction_timeout = milliseconds(0)}, "transaction_timeout"},
      {{.transaction_idle_timeout = milliseconds::max()}, "transaction_idle_timeout"},
      {{.history = milliseconds::min()}, "history"},
  };
  for (const auto& [options, name] : cases) {
    try {
      LocalDatastore::start(options);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
}

// What an earlier process has left counts, too.
TEST(HistoryOnDiskTest, IsMeasuredAtTheStart) {
  std::string folder = ::testing::TempDir() + "ndb-history-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  FakeClock clock;
  local::Engine::Options options;
  options.store = {.data_dir = folder, .fsync_always = false};
  std::int64_t first = 0;
  {
    auto engine = *local::Engine::open(options, clock);
    for (int i = 0; i < 50; ++i) {
      const v1::Entity e = entity(key("K", 1), {{"t", unindexed(text(std::string(10'000, 'x')))}});
      ASSERT_TRUE(engine_put(*engine, e, CallContext(), i == 0 ? &first : nullptr).ok());
    }
    EXPECT_EQ(*engine->collect_garbage(), 0U) << "no limit";
  }
  options.history.bytes = kLimit;
  auto engine = *local::Engine::open(options, clock);
  v1::ReadOptions read;
  local::set_timestamp(*read.mutable_read_time(), local::Version(first));
  v1::LookupResponse response;
  EXPECT_TRUE(absl::IsFailedPrecondition(engine_get(*engine, key("K", 1), CallContext(), read, response)));
  engine.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ndb::testing
