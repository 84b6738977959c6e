// Transactions are serializable: each anomaly that weaker isolation lets through has a test here.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "local_datastore/datastore_client.h"
#include "local_datastore/engine.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

class TransactionTest : public ::testing::Test {
 protected:
  void put(const v1::Key& k, std::int64_t n) {
    ASSERT_TRUE(client_.commit({upsert(entity(k, {{"n", integer(n)}}))}).ok());
  }
  std::int64_t number_in(const std::string& transaction, const v1::Key& k) {
    return client_.lookup(transaction, {k})->found(0).entity().properties().at("n").integer_value();
  }
  grpc::StatusCode commit_number(const std::string& transaction, const v1::Key& k, std::int64_t n) {
    return client_.commit(transaction, {upsert(entity(k, {{"n", integer(n)}}))}).status.error_code();
  }
  v1::ReadOptions in(const std::string& transaction) {
    v1::ReadOptions options;
    options.set_transaction(transaction);
    return options;
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
  const v1::Key a_ = key("K", "a");
  const v1::Key b_ = key("K", "b");
};

TEST_F(TransactionTest, LostUpdateAborts) {
  put(a_, 1);
  const std::string one = client_.begin();
  const std::string two = client_.begin();
  const std::int64_t seen = number_in(one, a_);
  EXPECT_EQ(number_in(two, a_), seen);
  EXPECT_EQ(commit_number(one, a_, seen + 1), grpc::OK);
  const auto lost = client_.commit(two, {upsert(entity(a_, {{"n", integer(seen + 1)}}))});
  EXPECT_EQ(lost.status.error_code(), grpc::ABORTED);
  EXPECT_THAT(lost.status.error_message(), HasSubstr("Aborted due to cross-transaction contention."));
  EXPECT_TRUE(client_.rollback(two).ok()) << "rolling back what was aborted is fine";
  EXPECT_EQ(client_.number(a_), seen + 1);
}

TEST_F(TransactionTest, WriteSkewAborts) {
  put(a_, 1);
  put(b_, 1);
  const std::string one = client_.begin();
  const std::string two = client_.begin();
  ASSERT_TRUE(client_.lookup(one, {a_, b_}).ok());
  ASSERT_TRUE(client_.lookup(two, {a_, b_}).ok());
  EXPECT_EQ(commit_number(one, a_, 0), grpc::OK);
  EXPECT_EQ(commit_number(two, b_, 0), grpc::ABORTED);
}

TEST_F(TransactionTest, PhantomAborts) {
  v1::Query of_kind;
  of_kind.add_kind()->set_name("K");
  v1::Query of_ancestor;
  v1::PropertyFilter& filter = *of_ancestor.mutable_filter()->mutable_property_filter();
  filter.mutable_property()->set_name("__key__");
  filter.set_op(v1::PropertyFilter::HAS_ANCESTOR);
  *filter.mutable_value() = key_value(key("Root", 1));
  std::int64_t next = 1;
  for (const v1::Query& query : {of_kind, of_ancestor}) {
    const std::string transaction = client_.begin();
    const int seen = client_.run(query, in(transaction))->batch().entity_results_size();
    put(key("Root", 1, "K", next++), 1);  // new, and matches
    EXPECT_EQ(client_.run(query, in(transaction))->batch().entity_results_size(), seen) << "one snapshot";
    EXPECT_EQ(commit_number(transaction, key("Other", next), seen), grpc::ABORTED);
  }
  const std::string transaction = client_.begin();
  ASSERT_TRUE(client_.lookup(transaction, {key("K", "absent")}).ok());
  put(key("K", "absent"), 1);
  EXPECT_EQ(commit_number(transaction, a_, 1), grpc::ABORTED) << "absence is read too";
}

TEST_F(TransactionTest, WhatWasNotReadDoesNotAbort) {
  put(a_, 1);
  v1::Query query;
  query.add_kind()->set_name("Other");
  const std::string transaction = client_.begin();
  ASSERT_TRUE(client_.lookup(transaction, {a_}).ok());
  ASSERT_TRUE(client_.run(query, in(transaction)).ok());
  put(b_, 2);
  EXPECT_EQ(commit_number(transaction, a_, 5), grpc::OK);
}

TEST_F(TransactionTest, ReadOnlyTransactionsSeeOneSnapshotAndBlockNobody) {
  put(a_, 1);
  const std::string transaction = client_.begin(true);
  EXPECT_EQ(number_in(transaction, a_), 1);
  put(a_, 2);
  put(b_, 2);
  EXPECT_EQ(number_in(transaction, a_), 1);
  EXPECT_EQ(client_.lookup(transaction, {b_})->missing_size(), 1);
  EXPECT_TRUE(client_.commit(transaction, {}).ok());

  const auto write = client_.commit(client_.begin(true), {erase(a_)});
  EXPECT_EQ(write.status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(write.status.error_message(), "Cannot modify entities in a read-only transaction.");
  EXPECT_EQ(client_.number(a_), 2);
}

TEST_F(TransactionTest, ReadsMayBeginOne) {
  put(a_, 1);
  v1::ReadOptions options;
  options.mutable_new_transaction()->mutable_read_write();
  const auto read = client_.lookup({a_}, options);
  ASSERT_FALSE(read->transaction().empty());
  put(a_, 2);
  EXPECT_EQ(commit_number(read->transaction(), b_, 1), grpc::ABORTED);
}

TEST_F(TransactionTest, EndedOnesAreToldFromUnknownOnes) {
  const std::string ended = client_.begin();
  ASSERT_TRUE(client_.commit(ended, {}).ok());
  EXPECT_THAT(client_.lookup(ended, {a_}).status.error_message(), HasSubstr("has expired or is no longer valid"));
  EXPECT_TRUE(client_.rollback(ended).ok());
  EXPECT_EQ(client_.rollback("no such").error_code(), grpc::INVALID_ARGUMENT);
  DatastoreClient other(*server_, "other");
  EXPECT_EQ(other.lookup(client_.begin(), {a_}).status.error_message(), "Invalid transaction.");
}

// Money moves between accounts from several threads; readers must find the total unchanged at any time.
TEST_F(TransactionTest, TransfersKeepTheTotal) {
  constexpr int kAccounts = 5;
  constexpr std::int64_t kEach = 100;
  std::vector<v1::Key> accounts;
  for (int i = 0; i < kAccounts; ++i) {
    accounts.push_back(key("Account", i + 1));
    put(accounts.back(), kEach);
  }
  std::vector<std::thread> threads;
  std::atomic<int> committed = 0;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      DatastoreClient client(*server_);
      for (unsigned i = 0; i < 60; ++i) {
        const v1::Key& from = accounts[(t + i) % kAccounts];
        const v1::Key& to = accounts[(t + i * 2 + 1) % kAccounts];
        if (&from == &to) continue;
        const std::string transaction = client.begin();
        const auto read = client.lookup(transaction, {from, to});
        std::vector<v1::Mutation> mutations;
        for (const v1::EntityResult& found : read->found()) {
          const bool is_from = found.entity().key().path(0).id() == from.path(0).id();
          const std::int64_t n = found.entity().properties().at("n").integer_value();
          mutations.push_back(upsert(entity(is_from ? from : to, {{"n", integer(is_from ? n - 1 : n + 1)}})));
        }
        const auto outcome = client.commit(transaction, mutations).status.error_code();
        EXPECT_TRUE(outcome == grpc::OK || outcome == grpc::ABORTED);
        committed += outcome == grpc::OK ? 1 : 0;
      }
    });
  }
  const auto total = [&] {
    std::int64_t sum = 0;
    const auto read = client_.lookup(accounts);
    for (const v1::EntityResult& found : read->found()) sum += found.entity().properties().at("n").integer_value();
    return sum;
  };
  for (int i = 0; i < 60; ++i) EXPECT_EQ(total(), kAccounts * kEach);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total(), kAccounts * kEach);
  EXPECT_GT(committed, 0);
}

class HandClock : public Clock {
 public:
  WallTime now() const override { return WallTime(std::chrono::hours(24 * 365 * 50)) + wall_; }
  Monotonic monotonic() const override { return monotonic_; }
  std::chrono::microseconds wall_{};
  Monotonic monotonic_ = std::chrono::seconds(1000);
};

TEST(ExpiryTest, IdleAndOldTransactionsEnd) {
  using std::chrono::seconds;
  HandClock clock;
  auto engine = *local::Engine::open({}, clock);
  const auto begin = [&] {
    v1::BeginTransactionRequest request;
    request.set_project_id(kProject);
    v1::BeginTransactionResponse response;
    EXPECT_TRUE(engine->begin_transaction(request, response).ok());
    return response.transaction();
  };
  const auto read = [&](const std::string& transaction) {
    v1::LookupRequest request;
    request.set_project_id(kProject);
    *request.add_keys() = key("K", 1);
    request.mutable_read_options()->set_transaction(transaction);
    v1::LookupResponse response;
    return engine->lookup(request, response).ok();
  };
  const std::string idle = begin();
  clock.monotonic_ += seconds(59);
  EXPECT_TRUE(read(idle)) << "which keeps it alive";
  clock.monotonic_ += seconds(59);
  EXPECT_TRUE(read(idle));
  clock.monotonic_ += seconds(60);
  EXPECT_FALSE(read(idle));

  const std::string old = begin();
  for (int i = 0; i < 5; ++i) {
    clock.monotonic_ += seconds(50);
    EXPECT_TRUE(read(old));
  }
  clock.monotonic_ += seconds(20);
  EXPECT_FALSE(read(old)) << "after 270 seconds in all";
}

TEST(ClockTest, VersionsGrowThoughTheClockGoesBack) {
  HandClock clock;
  auto engine = *local::Engine::open({}, clock);
  std::int64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    clock.wall_ -= std::chrono::seconds(i);
    v1::CommitRequest request;
    request.set_project_id(kProject);
    request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
    *request.add_mutations() = upsert(entity(key("K", 1)));
    v1::CommitResponse response;
    ASSERT_TRUE(engine->commit(request, response).ok());
    EXPECT_GT(response.mutation_results(0).version(), last);
    last = response.mutation_results(0).version();
  }
}

}  // namespace
}  // namespace ndb::testing
