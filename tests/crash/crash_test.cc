// `ndb serve` is killed during its work, or cannot write, and loses nothing that it acknowledged.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <random>
#include <semaphore>
#include <thread>

#include "local_datastore/datastore_client.h"
#include "support/random_test.h"
#include "tools/ndb_program.h"

namespace ndb::testing {
namespace {

constexpr std::size_t kWriters = 4;

// A writer has a counter and, in the same commit, an item for each of its values, so the counter tells how many items
// there are.
struct Writer {
  std::int64_t acknowledged = 0;
  std::int64_t attempted = 0;
  std::int64_t version = 0;  // of the last acknowledged commit
};

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "ndb-crash-XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Command> start(const std::string& fsync = "always") {
    auto server = std::make_unique<Command>(
        std::vector<std::string>{"serve", "--host-port=127.0.0.1:0", "--data-dir=" + folder_, "--fsync=" + fsync});
    for (std::string line = server->line(); line != "Dev App Server is now running"; line = server->line()) {
      if (line.starts_with("export ")) address_ = line.substr(line.find('=') + 1);
      if (line.empty()) {
        ADD_FAILURE() << "the server ended";
        break;
      }
    }
    return server;
  }

  DatastoreClient connect() const {
    return DatastoreClient(grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  }

  static std::string name_of(std::size_t writer) { return "writer" + std::to_string(writer); }

  // Commits until the server is gone.
  void write(std::size_t index, std::counting_semaphore<>& commits) {
    DatastoreClient client = connect();
    Writer& writer = writers_[index];
    for (;;) {
      const std::int64_t n = writer.acknowledged + 1;
      writer.attempted = n;
      const auto reply = client.commit({upsert(entity(key("Counter", name_of(index)), {{"n", integer(n)}})),
                                        upsert(entity(key("Writer", name_of(index), "Item", n),
                                                      {{"n", integer(n)}, {"of", text(name_of(index))}}))});
      if (!reply.ok()) return;
      EXPECT_GT(reply.response.mutation_results(0).version(), writer.version);
      writer.version = reply.response.mutation_results(0).version();
      writer.acknowledged = n;
      commits.release();
    }
  }

  // The server's state after its restart: all acknowledged commits, all or nothing of the attempt in flight, and
  // indexes that agree with the entities.
  void check(std::size_t index) {
    DatastoreClient client = connect();
    Writer& writer = writers_[index];
    const std::int64_t kept = std::max<std::int64_t>(client.number(key("Counter", name_of(index))), 0);
    EXPECT_GE(kept, writer.acknowledged) << "an acknowledged commit is lost";
    EXPECT_LE(kept, writer.attempted);
    v1::GqlQuery count;
    count.set_allow_literals(true);
    for (const char* filter : {"__key__ HAS ANCESTOR KEY(Writer, '", "of = '"}) {
      count.set_query_string("SELECT COUNT(*) FROM Item WHERE " + (filter + name_of(index)) +
                             (std::string(filter).starts_with("of") ? "'" : "')"));
      v1::RunAggregationQueryRequest request;
      *request.mutable_gql_query() = count;
      const auto reply = client.call(&v1::Datastore::Stub::RunAggregationQuery, request);
      EXPECT_EQ(reply->batch().aggregation_results(0).aggregate_properties().at("property_1").integer_value(), kept);
    }
    writer.acknowledged = writer.attempted = kept;
  }

  std::string folder_;
  std::string address_;
  std::vector<Writer> writers_ = std::vector<Writer>(kWriters);
};

TEST_F(CrashTest, NoAcknowledgedCommitIsLost) {
  constexpr int kKills = 22;
  const std::uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  std::int64_t before = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const std::unique_ptr<Command> server = start();
    for (std::size_t i = 0; i < kWriters; ++i) check(i);
    std::counting_semaphore<> commits(0);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kWriters; ++i) threads.emplace_back([this, i, &commits] { write(i, commits); });
    for (std::uint64_t enough = random() % 150; enough > 0; --enough) {
      ASSERT_TRUE(commits.try_acquire_for(std::chrono::seconds(60)));
    }
    server->signal(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    std::int64_t last = 0;
    for (const Writer& writer : writers_) last = std::max(last, writer.version);
    EXPECT_GE(last, before) << "the clock of the commits went back";
    before = last;
  }
  const std::unique_ptr<Command> server = start();
  for (std::size_t i = 0; i < kWriters; ++i) check(i);
}

// A full disk: commits fail from then on, what was acknowledged can be read, then and after a restart, and nothing
// after the first failure exists.
class FullDiskTest : public CrashTest, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Modes, FullDiskTest, ::testing::Values("always", "interval"));

TEST_P(FullDiskTest, CommitsAreRefusedAndNothingIsLost) {
  (void)std::signal(SIGXFSZ, SIG_IGN);  // inherited by the server
  std::unique_ptr<Command> server = start(GetParam());
  server->limit_files(300'000);
  std::counting_semaphore<> commits(0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kWriters; ++i) threads.emplace_back([this, i, &commits] { write(i, commits); });
  for (std::thread& thread : threads) thread.join();
  {
    DatastoreClient client = connect();
    const auto small = client.commit({upsert(entity(key("Small", 1)))});
    EXPECT_EQ(small.status.error_code(), grpc::INTERNAL);
    EXPECT_THAT(small.status.error_message(), ::testing::HasSubstr("until the local Datastore is started again"));
    EXPECT_EQ(client.lookup({key("Small", 1)})->missing_size(), 1);
  }
  for (std::size_t i = 0; i < kWriters; ++i) {
    EXPECT_GT(writers_[i].acknowledged, 0);
    const std::int64_t attempted = writers_[i].attempted;
    check(i);
    writers_[i].attempted = attempted;  // it failed, and may or may not exist after a restart
  }
  server->signal(SIGTERM);
  EXPECT_THAT(server->rest(), ::testing::HasSubstr("stopped by SIGTERM"));
  EXPECT_EQ(server->exit_code(), 0);

  server = start(GetParam());
  for (std::size_t i = 0; i < kWriters; ++i) check(i);
  DatastoreClient client = connect();
  EXPECT_EQ(client.lookup({key("Small", 1)})->missing_size(), 1);
  EXPECT_TRUE(client.commit({upsert(entity(key("Small", 1)))}).ok());
}

}  // namespace
}  // namespace ndb::testing
