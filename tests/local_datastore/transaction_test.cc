// Transactions are serializable: each anomaly that weaker isolation permits has a test here.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "local_datastore/datastore_client.h"
#include "local_datastore/engine.h"
#include "support/fake_clock.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

using Concurrency = LocalDatastore::Concurrency;
using ::testing::Values;

class TransactionFixture : public ::testing::Test {
 protected:
  explicit TransactionFixture(const LocalDatastore::Options& options) : server_(LocalDatastore::start(options)) {}

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

  std::unique_ptr<LocalDatastore> server_;
  DatastoreClient client_{*server_};
  const v1::Key a_ = key("K", "a");
  const v1::Key b_ = key("K", "b");
};

v1::Query of_kind(const std::string& kind) {
  v1::Query query;
  query.add_kind()->set_name(kind);
  return query;
}

v1::Query below(const v1::Key& ancestor) {
  v1::Query query = of_kind("K");
  v1::PropertyFilter& filter = *query.mutable_filter()->mutable_property_filter();
  filter.mutable_property()->set_name("__key__");
  filter.set_op(v1::PropertyFilter::HAS_ANCESTOR);
  *filter.mutable_value() = key_value(ancestor);
  return query;
}

// What holds in both modes.
class TransactionTest : public TransactionFixture, public ::testing::WithParamInterface<Concurrency> {
 protected:
  TransactionTest() : TransactionFixture({.concurrency = GetParam()}) {}
};
INSTANTIATE_TEST_SUITE_P(Modes, TransactionTest, Values(Concurrency::kPessimistic, Concurrency::kOptimistic),
                         [](const auto& mode) { return mode.param == Concurrency::kPessimistic ? "Locks" : "Checks"; });

class OptimisticTest : public TransactionFixture {
 protected:
  OptimisticTest() : TransactionFixture({.concurrency = Concurrency::kOptimistic}) {}
};

// With so short a limit, a writer that would have to wait is refused at once, so the tests need no second thread.
class PessimisticTest : public TransactionFixture {
 protected:
  PessimisticTest() : TransactionFixture({.lock_timeout = std::chrono::milliseconds(20)}) {}

  grpc::StatusCode outside(const std::vector<v1::Mutation>& mutations) {
    return client_.commit(mutations).status.error_code();
  }
  v1::Mutation number(const v1::Key& k, std::int64_t n) { return upsert(entity(k, {{"n", integer(n)}})); }
};

TEST_F(OptimisticTest, LostUpdateAborts) {
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

TEST_F(OptimisticTest, WriteSkewAborts) {
  put(a_, 1);
  put(b_, 1);
  const std::string one = client_.begin();
  const std::string two = client_.begin();
  ASSERT_TRUE(client_.lookup(one, {a_, b_}).ok());
  ASSERT_TRUE(client_.lookup(two, {a_, b_}).ok());
  EXPECT_EQ(commit_number(one, a_, 0), grpc::OK);
  EXPECT_EQ(commit_number(two, b_, 0), grpc::ABORTED);
}

TEST_F(OptimisticTest, PhantomAborts) {
  std::int64_t next = 1;
  for (const v1::Query& query : {of_kind("K"), below(key("Root", 1))}) {
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

TEST_F(OptimisticTest, WritesOutsideTheReadSetDoNotAbort) {
  put(a_, 1);
  const std::string transaction = client_.begin();
  ASSERT_TRUE(client_.lookup(transaction, {a_}).ok());
  ASSERT_TRUE(client_.run(of_kind("Other"), in(transaction)).ok());
  put(b_, 2);
  EXPECT_EQ(commit_number(transaction, a_, 5), grpc::OK);
}

TEST_F(OptimisticTest, ReadSkewIsNotSeen) {
  put(a_, 1);
  put(b_, 1);
  const std::string transaction = client_.begin();
  EXPECT_EQ(number_in(transaction, a_), 1);
  put(a_, 2);
  put(b_, 2);
  EXPECT_EQ(number_in(transaction, b_), 1);
  EXPECT_EQ(commit_number(transaction, key("K", "c"), 1), grpc::ABORTED);
}

TEST_F(PessimisticTest, ReadsAreRepeatable) {
  put(a_, 1);
  put(b_, 1);
  const std::string transaction = client_.begin();
  EXPECT_EQ(number_in(transaction, a_), 1);
  const auto refused = client_.commit({number(b_, 2), number(a_, 2)});  // read skew, were it let through
  EXPECT_EQ(refused.status.error_code(), grpc::ABORTED);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("Aborted due to cross-transaction contention."));
  EXPECT_EQ(outside({erase(a_)}), grpc::ABORTED);
  EXPECT_EQ(number_in(transaction, b_), 1) << "nothing of what was refused is seen";
  EXPECT_EQ(outside({number(key("K", "c"), 1)}), grpc::OK) << "what was not read may be written";
  EXPECT_EQ(client_.number(a_), 1) << "and everything be read";
  EXPECT_EQ(commit_number(transaction, b_, 5), grpc::OK);
  EXPECT_EQ(outside({number(a_, 2)}), grpc::OK) << "the end gives the locks back";
  EXPECT_EQ(client_.number(b_), 5);
}

TEST_F(PessimisticTest, PhantomsStayOut) {
  put(key("Root", 1, "K", 1), 1);
  std::int64_t next = 100;
  for (const v1::Query& query : {of_kind("K"), below(key("Root", 1))}) {
    const std::string transaction = client_.begin();
    const int seen = client_.run(query, in(transaction))->batch().entity_results_size();
    EXPECT_EQ(outside({number(key("Root", 1, "K", next), 1)}), grpc::ABORTED) << "a new match";
    EXPECT_EQ(outside({number(key("Root", 1, "K", 1), 2)}), grpc::ABORTED) << "the contents of one";
    EXPECT_EQ(outside({erase(key("Root", 1, "K", 1))}), grpc::ABORTED);
    EXPECT_EQ(outside({number(key("Root", 2, "L", next), 1)}), grpc::OK) << "of another kind";
    EXPECT_EQ(client_.run(query, in(transaction))->batch().entity_results_size(), seen);
    EXPECT_EQ(commit_number(transaction, key("Other", next), seen), grpc::OK);
    EXPECT_EQ(outside({number(key("Root", 1, "K", next++), 1)}), grpc::OK);
  }
  const std::string transaction = client_.begin();
  ASSERT_TRUE(client_.lookup(transaction, {key("K", "absent")}).ok());
  EXPECT_EQ(outside({insert(entity(key("K", "absent")))}), grpc::ABORTED) << "absence is read too";
  ASSERT_TRUE(client_.rollback(transaction).ok());
  EXPECT_EQ(outside({insert(entity(key("K", "absent")))}), grpc::OK);
}

// A query locks what it has read, not everything that it could have read.
TEST_F(PessimisticTest, OnlyWhatWasScannedIsLocked) {
  for (int i = 1; i <= 9; ++i) put(key("K", i), i);
  v1::Query query = of_kind("K");
  query.mutable_limit()->set_value(3);
  const std::string transaction = client_.begin();
  ASSERT_EQ(client_.run(query, in(transaction))->batch().entity_results_size(), 3);
  EXPECT_EQ(outside({number(key("K", 2), 0)}), grpc::ABORTED);
  EXPECT_EQ(outside({number(key("K", 8), 0)}), grpc::OK);
}

class DeadlockTest : public TransactionFixture {
 protected:
  DeadlockTest() : TransactionFixture({.lock_timeout = std::chrono::minutes(1)}) {}
};

// Each has read what the other one wants to write. The younger one is aborted, whoever asked first.
TEST_F(DeadlockTest, TheYoungerIsAborted) {
  const auto attempt = [&](const std::string& older, const std::string& younger, const v1::Key& first,
                           const v1::Key& second) {
    ASSERT_TRUE(client_.lookup(older, {a_, b_}).ok());
    ASSERT_TRUE(client_.lookup(younger, {a_, b_}).ok());
    grpc::StatusCode lost = grpc::OK;
    std::thread other([&] { lost = commit_number(younger, second, 2); });
    EXPECT_EQ(commit_number(older, first, 1), grpc::OK);
    other.join();
    EXPECT_EQ(lost, grpc::ABORTED);
    EXPECT_TRUE(client_.rollback(younger).ok()) << "rolling back what was aborted is fine";
  };
  for (const v1::Key& second : {a_, b_}) {  // a lost update and a write skew
    std::string older = client_.begin();
    std::string younger = client_.begin();
    attempt(older, younger, a_, second);
  }
  // A retry is as old as its first attempt.
  const std::string first = client_.begin();
  const std::string younger = client_.begin();
  ASSERT_TRUE(client_.rollback(first).ok());
  v1::BeginTransactionRequest request;
  request.mutable_transaction_options()->mutable_read_write()->set_previous_transaction(first);
  const std::string retry = client_.call(&v1::Datastore::Stub::BeginTransaction, request)->transaction();
  attempt(retry, younger, a_, b_);
}

// Reads wait for writers too: of three in a deadlock cycle one is aborted and two succeed.
TEST_F(DeadlockTest, WaitersGetTheirTurn) {
  put(a_, 1);
  const std::string reader = client_.begin();
  EXPECT_EQ(number_in(reader, a_), 1);
  std::int64_t version = 0;
  std::thread writer([&] {
    DatastoreClient client(*server_);
    version = client.commit({upsert(entity(a_, {{"n", integer(2)}}))})->mutation_results(0).version();
  });
  const auto committed = client_.commit(reader, {upsert(entity(b_, {{"n", integer(1)}}))});
  writer.join();
  EXPECT_EQ(client_.number(a_), 2) << "the writer has waited, not failed";
  EXPECT_EQ(client_.number(b_), 1);
  EXPECT_GT(version, 0);
}

TEST_F(PessimisticTest, ReadsThatFailEndTheirTransaction) {
  put(a_, 1);
  v1::ReadOptions options;
  options.mutable_new_transaction();
  const auto read = client_.lookup({a_}, options);
  ASSERT_FALSE(read->transaction().empty());
  EXPECT_EQ(outside({number(a_, 2)}), grpc::ABORTED) << "it has locks like any other";
  EXPECT_EQ(commit_number(read->transaction(), a_, 3), grpc::OK);
  EXPECT_EQ(client_.number(a_), 3);
}

// All want the same number; an aborted one says so when it retries, and all succeed in the end.
TEST_P(TransactionTest, EverybodyMakesProgress) {
  constexpr int kThreads = 8;
  constexpr int kEach = 12;
  put(a_, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      DatastoreClient client(*server_);
      for (int done = 0; done < kEach;) {
        std::string previous;
        for (grpc::StatusCode code = grpc::ABORTED; code != grpc::OK;) {
          v1::ReadOptions options;
          options.mutable_new_transaction()->mutable_read_write()->set_previous_transaction(previous);
          const auto read = client.lookup({a_}, options);
          code = read.status.error_code();
          if (code == grpc::OK) {
            previous = read->transaction();
            const std::int64_t n = read->found(0).entity().properties().at("n").integer_value();
            code = client.commit(previous, {upsert(entity(a_, {{"n", integer(n + 1)}}))}).status.error_code();
          }
          ASSERT_TRUE(code == grpc::OK || code == grpc::ABORTED) << code;
        }
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(client_.number(a_), kThreads * kEach);
}

TEST_P(TransactionTest, ReadOnlyTransactionsSeeOneSnapshotAndBlockNobody) {
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

TEST_F(OptimisticTest, ReadsMayBeginOne) {
  put(a_, 1);
  v1::ReadOptions options;
  options.mutable_new_transaction()->mutable_read_write();
  const auto read = client_.lookup({a_}, options);
  ASSERT_FALSE(read->transaction().empty());
  put(a_, 2);
  EXPECT_EQ(commit_number(read->transaction(), b_, 1), grpc::ABORTED);
}

TEST_P(TransactionTest, EndedTransactionsDifferFromUnknownOnes) {
  const std::string ended = client_.begin();
  ASSERT_TRUE(client_.commit(ended, {}).ok());
  EXPECT_THAT(client_.lookup(ended, {a_}).status.error_message(), HasSubstr("has expired or is no longer valid"));
  EXPECT_TRUE(client_.rollback(ended).ok());
  EXPECT_EQ(client_.rollback("no such").error_code(), grpc::INVALID_ARGUMENT);
  DatastoreClient other(*server_, "other");
  EXPECT_EQ(other.lookup(client_.begin(), {a_}).status.error_message(), "Invalid transaction.");
}

// Several threads move money between accounts; readers must find the same total at all times.
TEST_P(TransactionTest, TransfersKeepTheTotal) {
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
        if (read.status.error_code() == grpc::ABORTED) continue;
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

TEST(ExpiryTest, TheLocksGoToo) {
  FakeClock clock;
  local::Engine::Options options;
  options.lock_timeout = std::chrono::minutes(1);
  auto engine = *local::Engine::open(options, clock);
  v1::LookupRequest read;
  read.set_project_id(kProject);
  *read.add_keys() = key("K", 1);
  read.mutable_read_options()->mutable_new_transaction();
  v1::LookupResponse answer;
  ASSERT_TRUE(engine->lookup(local::CallContext(), read, answer).ok());
  clock.advance(std::chrono::seconds(60));
  v1::CommitRequest write;
  write.set_project_id(kProject);
  write.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  *write.add_mutations() = upsert(entity(key("K", 1)));
  v1::CommitResponse response;
  EXPECT_TRUE(engine->commit(local::CallContext(), write, response).ok());
}

TEST(ExpiryTest, IdleAndOldTransactionsEnd) {
  using std::chrono::seconds;
  FakeClock clock;
  auto engine = *local::Engine::open({}, clock);
  const auto begin = [&] {
    v1::BeginTransactionRequest request;
    request.set_project_id(kProject);
    v1::BeginTransactionResponse response;
    EXPECT_TRUE(engine->begin_transaction(local::CallContext(), request, response).ok());
    return response.transaction();
  };
  const auto read = [&](const std::string& transaction) {
    v1::LookupRequest request;
    request.set_project_id(kProject);
    *request.add_keys() = key("K", 1);
    request.mutable_read_options()->set_transaction(transaction);
    v1::LookupResponse response;
    return engine->lookup(local::CallContext(), request, response).ok();
  };
  const std::string idle = begin();
  clock.advance(seconds(59));
  EXPECT_TRUE(read(idle)) << "which keeps it alive";
  clock.advance(seconds(59));
  EXPECT_TRUE(read(idle));
  clock.advance(seconds(60));
  EXPECT_FALSE(read(idle));

  const std::string old = begin();
  for (int i = 0; i < 5; ++i) {
    clock.advance(seconds(50));
    EXPECT_TRUE(read(old));
  }
  clock.advance(seconds(20));
  EXPECT_FALSE(read(old)) << "after 270 seconds in all";
}

TEST(ClockTest, VersionsGrowThoughTheClockGoesBack) {
  FakeClock clock;
  auto engine = *local::Engine::open({}, clock);
  std::int64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    clock.advance(-std::chrono::seconds(i));
    v1::CommitRequest request;
    request.set_project_id(kProject);
    request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
    *request.add_mutations() = upsert(entity(key("K", 1)));
    v1::CommitResponse response;
    ASSERT_TRUE(engine->commit(local::CallContext(), request, response).ok());
    EXPECT_GT(response.mutation_results(0).version(), last);
    last = response.mutation_results(0).version();
  }
}

}  // namespace
}  // namespace ndb::testing
