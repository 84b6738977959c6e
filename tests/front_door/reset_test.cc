// POST /reset during other calls.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

int count(DatastoreClient& client) {
  v1::Query query;
  query.add_kind()->set_name("K");
  return client.run(query)->batch().entity_results_size();
}

TEST(Reset, EmptiesAllDatabasesAndEndsTransactions) {
  for (const auto concurrency : {LocalDatastore::Concurrency::kPessimistic, LocalDatastore::Concurrency::kOptimistic}) {
    const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0", .concurrency = concurrency});
    DatastoreClient first(*server), second(*server, "second");
    for (DatastoreClient* client : {&first, &second}) {
      ASSERT_TRUE(client->commit({upsert(entity(key("K", "n"), {{"n", integer(1)}}))}).ok());
    }
    const std::string writer = first.begin(), reader = second.begin(true);
    ASSERT_TRUE(first.lookup(writer, {key("K", "n")}).ok());
    ASSERT_TRUE(second.lookup(reader, {key("K", "n")}).ok());

    EXPECT_EQ(ask(server->address(), "POST", "/reset").code, 200);

    for (DatastoreClient* client : {&first, &second}) {
      EXPECT_EQ(client->number(key("K", "n")), -1);
      EXPECT_EQ(count(*client), 0);
    }
    for (const grpc::Status& status : {first.commit(writer, {upsert(entity(key("K", "late")))}).status,
                                       second.lookup(reader, {key("K", "n")}).status}) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
      EXPECT_THAT(status.error_message(), HasSubstr("expired"));
    }
    EXPECT_EQ(count(first), 0);
    EXPECT_TRUE(first.commit({insert(entity(key("K", "n")))}).ok());
    EXPECT_EQ(count(first), 1);
  }
}

// Every commit writes both entities of a pair, with or without a transaction. Nobody may ever see only one of them.
TEST(Reset, ConcurrentCallsNeverSeeHalfAReset) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  std::atomic<bool> done{false};
  std::atomic<int> halves{0}, commits{0}, strange{0};
  const auto check = [&strange](const grpc::Status& status) {
    const bool expected = status.ok() || status.error_code() == grpc::StatusCode::ABORTED ||
                          status.error_code() == grpc::StatusCode::INVALID_ARGUMENT;  // its transaction has ended
    if (!expected) ++strange;
    return status.ok();
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      DatastoreClient client(*server);
      const std::vector<v1::Key> pair{key("K", "left" + std::to_string(t / 2)),
                                      key("K", "right" + std::to_string(t / 2))};
      const std::vector<v1::Mutation> both{upsert(entity(pair[0])), upsert(entity(pair[1]))};
      while (!done) {
        const std::string transaction = t % 2 == 0 ? client.begin() : "";
        const auto read = transaction.empty() ? client.lookup(pair) : client.lookup(transaction, pair);
        if (check(read.status) && read.response.found_size() == 1) ++halves;
        const auto written = transaction.empty() ? client.commit(both) : client.commit(transaction, both);
        if (check(written.status)) ++commits;
      }
    });
  }
  for (int resets = 0; resets < 30; ++resets) {
    const int before = commits;
    EXPECT_EQ(ask(server->address(), "POST", "/reset").code, 200);
    while (commits < before + 5 && strange == 0) std::this_thread::yield();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(halves, 0);
  EXPECT_EQ(strange, 0);
  server->reset();
  DatastoreClient client(*server);
  EXPECT_EQ(count(client), 0);
}

TEST(Reset, LastsAndGivesNoIdTwice) {
  std::string folder = std::filesystem::temp_directory_path() / "ndb_reset_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto allocate = [](LocalDatastore& server) {
    DatastoreClient client(server);
    return client.commit({insert(entity(key("K")))})->mutation_results(0).key().path(0).id();
  };
  std::int64_t id = 0;
  {
    const auto server = LocalDatastore::start({.data_dir = folder});
    id = allocate(*server);
    server->reset();
    EXPECT_NE(allocate(*server), id);
    server->reset();
  }
  const auto server = LocalDatastore::start({.data_dir = folder});
  DatastoreClient client(*server);
  EXPECT_EQ(count(client), 0);
  EXPECT_NE(allocate(*server), id);
  server->shutdown();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ndb::testing
