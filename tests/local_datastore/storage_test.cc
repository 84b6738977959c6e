// Versions are collected when nobody can read them any more, and are separate for each database and namespace.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "local_datastore/concurrency/commit_clock.h"
#include "local_datastore/datastore_client.h"
#include "local_datastore/engine.h"
#include "local_datastore/storage/index_value.h"
#include "support/fake_clock.h"

namespace ndb::testing {
namespace {

using std::chrono::minutes;

class GarbageTest : public ::testing::Test {
 protected:
  std::int64_t commit(const v1::Mutation& mutation) {
    v1::CommitRequest request;
    request.set_project_id(kProject);
    request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
    *request.add_mutations() = mutation;
    v1::CommitResponse response;
    EXPECT_TRUE(engine_->commit(local::CallContext(), request, response).ok());
    return response.mutation_results(0).version();
  }
  std::int64_t put(std::int64_t n) { return commit(upsert(entity(key("K", 1), {{"n", integer(n)}}))); }

  // The number at a time; -1 if there is no entity.
  std::int64_t number(std::int64_t at = 0) {
    v1::LookupRequest request;
    request.set_project_id(kProject);
    *request.add_keys() = key("K", 1);
    if (at != 0) {
      request.mutable_read_options()->mutable_read_time()->set_seconds(at / 1'000'000);
      request.mutable_read_options()->mutable_read_time()->set_nanos(static_cast<std::int32_t>(at % 1'000'000 * 1000));
    }
    v1::LookupResponse response;
    const absl::Status status = engine_->lookup(local::CallContext(), request, response);
    if (!status.ok()) return -2;
    v1::LookupResponse parsed;  // the entity is in the response as bytes
    EXPECT_TRUE(parsed.ParseFromString(response.SerializeAsString()));
    return parsed.found().empty() ? -1 : parsed.found(0).entity().properties().at("n").integer_value();
  }
  std::size_t kind_size() {
    v1::RunQueryRequest request;
    request.set_project_id(kProject);
    request.mutable_query()->add_kind()->set_name("K");
    v1::RunQueryResponse response;
    EXPECT_TRUE(engine_->run_query(local::CallContext(), request, response).ok());
    return static_cast<std::size_t>(response.batch().entity_results_size());
  }

  FakeClock clock_;
  std::unique_ptr<local::Engine> engine_ = *local::Engine::open({}, clock_);
};

TEST_F(GarbageTest, VersionsLiveAsLongAsTheHistory) {
  const std::int64_t one = put(1);
  clock_.advance(minutes(50));
  const std::int64_t two = put(2);
  const std::int64_t gone = commit(erase(key("K", 1)));
  EXPECT_EQ(*engine_->collect_garbage(), 0U);
  EXPECT_EQ(number(one), 1);
  clock_.advance(minutes(50));
  EXPECT_EQ(*engine_->collect_garbage(), 0U) << "the second is 50 minutes old, and the first was there when it came";
  EXPECT_EQ(number(two), 2);
  EXPECT_EQ(number(one), -2) << "before the history";
  EXPECT_EQ(number(gone), -1);
  const std::int64_t three = put(3);
  clock_.advance(minutes(30));
  EXPECT_GT(*engine_->collect_garbage(), 0U) << "both versions, the mark of the deletion, and their index rows";
  EXPECT_EQ(*engine_->collect_garbage(), 0U);
  EXPECT_EQ(number(three), 3);
  EXPECT_EQ(number(), 3);
  EXPECT_EQ(kind_size(), 1U) << "it was put again, so its kind still has it";
  commit(erase(key("K", 1)));
  clock_.advance(minutes(90));
  EXPECT_GT(*engine_->collect_garbage(), 0U);
  EXPECT_EQ(kind_size(), 0U);
}

// The same key in two databases and two namespaces is four entities, also after a restart.
TEST(PartitionsTest, DatabasesAndNamespacesAreApart) {
  std::string folder = ::testing::TempDir() + "ndb-partitions-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  for (const bool written : {false, true}) {
    const auto server = LocalDatastore::start({.data_dir = folder, .fsync = LocalDatastore::Fsync::kInterval});
    std::int64_t n = 0;
    for (const char* database : {"", "other"}) {
      DatastoreClient client(*server, database);
      for (const char* name_space : {"", "ns"}) {
        v1::Key k = key("K", 1);
        k.mutable_partition_id()->set_namespace_id(name_space);
        v1::Query query;
        query.add_kind()->set_name("K");
        ++n;
        if (written) {
          EXPECT_EQ(client.number(k), n);
          EXPECT_EQ(client.run(query, {}, name_space)->batch().entity_results_size(), 1);
        } else {
          EXPECT_EQ(client.run(query, {}, name_space)->batch().entity_results_size(), 0);
          ASSERT_TRUE(client.commit({upsert(entity(k, {{"n", integer(n)}}))}).ok());
        }
      }
    }
  }
  std::filesystem::remove_all(folder);
}

// Many concurrent commits, each durable when it is acknowledged, share their fsyncs and stay in order.
TEST(GroupCommitTest, VersionsAreUniqueAndInOrder) {
  std::string folder = ::testing::TempDir() + "ndb-group-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto server = LocalDatastore::start({.data_dir = folder});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      DatastoreClient client(*server);
      std::int64_t last = 0;
      for (int i = 0; i < 30; ++i) {
        const auto reply = client.commit({upsert(entity(key("K", t + 1), {{"n", integer(i)}}))});
        EXPECT_GT(reply->mutation_results(0).version(), last);
        last = reply->mutation_results(0).version();
        const auto read = client.lookup({key("K", t + 1)});
        EXPECT_EQ(read->found(0).version(), last) << "what is acknowledged is seen";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::filesystem::remove_all(folder);
}

// Reads see nothing whose durability is uncertain, and do not wait for it.
TEST(CommitClockTest, LostCommitsAreNotRead) {
  FakeClock clock;
  local::CommitClock commits(clock, local::Version());
  const auto durable = commits.begin_commit();
  const auto lost = commits.begin_commit();
  commits.end_commits(durable);
  commits.lose_commits();
  commits.cancel_commit(commits.begin_commit());
  clock.advance(minutes(1));
  EXPECT_EQ(commits.read_time(), lost.previous());
  EXPECT_TRUE(*commits.reach(durable, local::CallContext()));
  EXPECT_FALSE(*commits.reach(lost, local::CallContext()));
}

// RocksDB searches near a row only under its prefix, which must be complete.
TEST(StorageKeyTest, RowsKnowTheirPrefix) {
  for (const std::string& name : {std::string("K"), std::string("a\0\1b\xff", 5), std::string("\0", 1)}) {
    const v1::Entity e = entity(key(name, 1), {{name, integer(1)}});
    const local::StorageKey where(e.key());
    EXPECT_EQ(local::prefix_of(where.entity()), local::entities_of(where.partition));
    std::set<std::string_view> prefixes;
    const local::IndexRows rows = local::index_rows(e, where);
    for (const auto& [row, value] : rows) prefixes.insert(local::prefix_of(row));
    EXPECT_THAT(prefixes, ::testing::ElementsAre(local::index_of(where.partition, name, name),
                                                 local::members_of(where.partition, name)));
  }
  EXPECT_EQ(local::prefix_of("Mformat"), "M");
  EXPECT_EQ(local::prefix_of(""), "");
}

}  // namespace
}  // namespace ndb::testing
