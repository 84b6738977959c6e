// LockedCommit alone, with a stub that the test scripts and a scripted memcached. Every outcome is tested for both
// kinds of owners: outside of transactions, and in one.
#include "context/locked_commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context/write_batch.h"
#include "ndb/ndb.h"
#include "support/fake_clock.h"
#include "support/scripted_memcached.h"
#include "tasklet/event_loop.h"

namespace {

using ndb::context::EndedWrite;
using ndb::context::LockedCommit;
using ndb::context::Write;
using ndb::memcache::Inspection;
using ndb::testing::ScriptedMemcached;
using ndb::testing::Verb;
using std::chrono::seconds;
using ::testing::HasSubstr;
namespace wire = ndb::wire;

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

// Answers Commits in their order as the script says; all that is not scripted succeeds as one version later.
class CommitStub final : public ndb::datastore::Stub {
 public:
  using Answer = absl::StatusOr<wire::CommitResponse>;
  std::deque<std::function<Answer(const wire::CommitRequest&)>> script;
  std::vector<wire::CommitRequest> commits;
  std::int64_t version = 100;

  Answer success(const wire::CommitRequest& request) {
    wire::CommitResponse response;
    ++version;
    for (const wire::Mutation& mutation : request.mutations()) {
      wire::MutationResult& result = *response.add_mutation_results();
      result.set_version(version);
      (void)mutation;
    }
    return response;
  }

  void commit(wire::CommitRequest request, const ndb::datastore::CallOptions&,
              ndb::datastore::Done<wire::CommitResponse> done) override {
    commits.push_back(request);
    if (script.empty()) return done(success(request));
    const auto next = std::move(script.front());
    script.pop_front();
    done(next(request));
  }
  void lookup(wire::LookupRequest, const ndb::datastore::CallOptions&,
              ndb::datastore::Done<wire::LookupResponse> done) override {
    done(absl::UnimplementedError("lookup"));
  }
  void run_query(wire::RunQueryRequest, const ndb::datastore::CallOptions&,
                 ndb::datastore::Done<wire::RunQueryResponse> done) override {
    done(absl::UnimplementedError("run_query"));
  }
  void run_aggregation_query(wire::RunAggregationQueryRequest, const ndb::datastore::CallOptions&,
                             ndb::datastore::Done<wire::RunAggregationQueryResponse> done) override {
    done(absl::UnimplementedError("run_aggregation_query"));
  }
  void begin_transaction(wire::BeginTransactionRequest, const ndb::datastore::CallOptions&,
                         ndb::datastore::Done<wire::BeginTransactionResponse> done) override {
    done(absl::UnimplementedError("begin_transaction"));
  }
  void rollback(wire::RollbackRequest, const ndb::datastore::CallOptions&,
                ndb::datastore::Done<wire::RollbackResponse> done) override {
    done(absl::UnimplementedError("rollback"));
  }
  void allocate_ids(wire::AllocateIdsRequest, const ndb::datastore::CallOptions&,
                    ndb::datastore::Done<wire::AllocateIdsResponse> done) override {
    done(absl::UnimplementedError("allocate_ids"));
  }
  void reserve_ids(wire::ReserveIdsRequest, const ndb::datastore::CallOptions&,
                   ndb::datastore::Done<wire::ReserveIdsResponse> done) override {
    done(absl::UnimplementedError("reserve_ids"));
  }
};

CommitStub::Answer fails_with(absl::Status status) { return status; }

// The parameter is the id of the transaction; empty: none.
class LockedCommitTest : public ::testing::TestWithParam<std::string> {
 protected:
  LockedCommitTest()
      : workspace_(std::make_shared<ndb::context::Workspace>(
            make_tiers(), std::make_shared<const ndb::Partition>(ndb::Partition{"p", "", ""}))) {
    ndb::EventLoop::current().use_clock(clock_,
                                        [this](ndb::Monotonic when) { clock_.advance(when - clock_.monotonic()); });
  }
  ~LockedCommitTest() override { ndb::EventLoop::current().use_clock(ndb::Clock::system(), nullptr); }

  std::shared_ptr<ndb::context::Tiers> make_tiers() {
    auto tiers = std::make_shared<ndb::context::Tiers>();
    auto stub = std::make_unique<CommitStub>();
    stub_ = stub.get();
    tiers->stub = std::move(stub);
    tiers->gateway = *ndb::memcache::Gateway::make({.servers = {memcached_.address("writer")},
                                                    .connect_timeout = seconds(5),
                                                    .io_timeout = seconds(5),
                                                    .ring_check = ndb::RingCheck::kOff,
                                                    .clock = &clock_});
    tiers->clock = &clock_;
    return tiers;
  }

  static ndb::Key key(const std::string& id) {
    return ndb::Key("Note", ndb::id(id)).in_partition({.project = "p", .database = "", .namespace_ = ""});
  }
  static Write put(const std::string& id, std::int64_t n = 1) {
    Note note = Note::make({.n = n}, ndb::id(id));
    Write write;
    write.key = key(id);
    write.payload = ndb::detail::HandleAccess::payload(note);
    write.entity = *ndb::detail::encode_entity(write.key, *write.payload.get());
    return write;
  }
  std::shared_ptr<LockedCommit> commit(std::vector<Write> writes) {
    return std::make_shared<LockedCommit>(workspace_, std::move(writes), seconds(30), nullptr, GetParam());
  }
  bool in_transaction() const { return !GetParam().empty(); }

  // Sends, and returns what the owner is told.
  std::pair<absl::Status, std::vector<EndedWrite>> send(LockedCommit& commit) {
    std::pair<absl::Status, std::vector<EndedWrite>> told;
    bool answered = false;
    commit.send([&](const absl::Status& status, std::vector<EndedWrite> ended) {
      told = {status, std::move(ended)};
      answered = true;
    });
    ndb::EventLoop::current().run_until([&] { return answered; });
    return told;
  }

  Inspection record(const std::string& id) {
    const ndb::Key of = key(id);
    return workspace_->gateway()->inspect({&of, 1}).front();
  }
  // Acts like a server without memory: it stores nothing and says nothing, because stores want no reply. For this many
  // attempts at a lock; 0: for all.
  void forget_locks(const std::string& id, int attempts) {
    const std::string name = record(id).name;
    const auto forget = [&](Verb verb, int commands) {
      if (attempts == 0) memcached_.refuse({.verb = verb, .key = name, .nth = 0}, "");
      for (int nth = 1; nth <= attempts * commands; ++nth) {
        memcached_.refuse({.verb = verb, .key = name, .nth = nth}, "");
      }
    };
    forget(Verb::kAdd, 4);
    forget(Verb::kSet, 1);
  }

  ndb::testing::FakeClock clock_;
  ScriptedMemcached memcached_{clock_};
  CommitStub* stub_ = nullptr;
  const std::shared_ptr<ndb::context::Workspace> workspace_;
};

INSTANTIATE_TEST_SUITE_P(BothOwners, LockedCommitTest, ::testing::Values("", "transaction-1"),
                         [](const auto& of) { return of.param.empty() ? "AWriteBatch" : "ATransaction"; });

TEST_P(LockedCommitTest, AppliedLeavesTheVersionInBothCaches) {
  const auto commit = this->commit({put("a"), put("b")});
  ASSERT_TRUE(commit->prepare().empty());
  EXPECT_EQ(record("a").state, Inspection::State::kLock);
  const auto [status, ended] = send(*commit);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(*ended[0].result, key("a"));
  EXPECT_EQ(commit->size(), 0u);
  for (const std::string id : {"a", "b"}) {
    EXPECT_EQ(record(id).state, Inspection::State::kEmpty);
    EXPECT_EQ(record(id).version, 101u);
    const auto* slot = workspace_->cache.find(key(id));
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ(slot->version, 101u);
  }
  ASSERT_EQ(stub_->commits.size(), 1u);
  EXPECT_EQ(stub_->commits[0].transaction(), GetParam());
  EXPECT_EQ(stub_->commits[0].mode(),
            in_transaction() ? wire::CommitRequest::TRANSACTIONAL : wire::CommitRequest::NON_TRANSACTIONAL);
}

TEST_P(LockedCommitTest, WriteThroughLeavesTheValue) {
  Write write = put("a");
  write.policy.write_through = true;
  const auto commit = this->commit({std::move(write)});
  ASSERT_TRUE(commit->prepare().empty());
  ASSERT_TRUE(send(*commit).first.ok());
  EXPECT_EQ(record("a").state, Inspection::State::kValue);
  EXPECT_EQ(record("a").version, 101u);
}

TEST_P(LockedCommitTest, AVersionBelowZeroCountsAsNone) {
  stub_->script = {[&](const wire::CommitRequest& request) {
    auto response = stub_->success(request);
    response->mutable_mutation_results(0)->set_version(-1);
    return response;
  }};
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  ASSERT_TRUE(send(*commit).first.ok());
  EXPECT_EQ(workspace_->cache.find(key("a"))->version, 0u);
}

// The client knows the key of what it wrote, up to an id that it asked for. What else an answer says is not believed.
TEST_P(LockedCommitTest, AnAnswersKeyIsTakenOnlyWhereItCompletesTheWritesKey) {
  const ndb::Key incomplete = ndb::Key("Note", ndb::Id(), key("parent"));
  const ndb::Key completed = incomplete.with_id(ndb::id(7));
  struct Row {
    ndb::Key asked, answered;
    std::optional<ndb::Key> result;
  };
  const std::vector<Row> rows{
      {incomplete, completed, completed},
      {incomplete, {}, {}},
      {incomplete, incomplete, {}},
      {incomplete, key("parent"), {}},
      {incomplete, ndb::Key("Note", ndb::id(7), key("other")), {}},
      {incomplete, ndb::Key("Other", ndb::id(7), key("parent")), {}},
      {incomplete, completed.in_partition({.project = "q"}), {}},
      {incomplete, completed.in_partition({.namespace_ = "q"}), {}},
      {key("a"), key("a"), key("a")},
      {key("a"), key("b"), key("a")},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.asked.to_string() + ", answered " + row.answered.to_string());
    stub_->script = {[&](const wire::CommitRequest& request) {
      auto response = stub_->success(request);
      response->mutable_mutation_results(0)->set_key(row.answered.bytes());
      return response;
    }};
    Write write = put("a");
    write.key = row.asked;
    const auto commit = this->commit({std::move(write)});
    ASSERT_TRUE(commit->prepare().empty());
    const auto [status, ended] = send(*commit);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(ended.size(), 1u);
    const absl::StatusOr<ndb::Key>& result = ended[0].result;
    ASSERT_EQ(result.ok(), row.result.has_value()) << result.status();
    if (result.ok()) {
      EXPECT_EQ(*result, *row.result);
    } else {
      EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    }
    EXPECT_EQ(workspace_->cache.find(key("b")), nullptr);
  }
}

TEST_P(LockedCommitTest, NewerCachedEntitiesStay) {
  Note newer = Note::make({.n = 9}, ndb::id("a"));
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  workspace_->cache.store_read(key("a"), {ndb::detail::HandleAccess::payload(newer), 500, clock_.now()},
                               workspace_->cache.generation());
  ASSERT_TRUE(send(*commit).first.ok());
  EXPECT_EQ(workspace_->cache.find(key("a"))->version, 500u);
}

TEST_P(LockedCommitTest, FailedReleasesAndChangesNothing) {
  stub_->script = {[](const auto&) { return fails_with(absl::PermissionDeniedError("no")); }};
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  const auto [status, none] = send(*commit);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(record("a").state, Inspection::State::kLock);  // the owner has not decided yet
  EXPECT_FALSE(commit->in_doubt());
  const std::vector<EndedWrite> ended = commit->give_up(status);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].result.status(), status);
  EXPECT_FALSE(ndb::context::is_in_doubt(ended[0].result.status()));
  EXPECT_EQ(record("a").state, Inspection::State::kEmpty);
  EXPECT_EQ(workspace_->cache.find(key("a")), nullptr);
  EXPECT_FALSE(workspace_->cache.is_uncertain(key("a")));
}

TEST_P(LockedCommitTest, AnUnknownOutcomeKeepsTheLocksAndMarksTheKeysUncertain) {
  stub_->script = {[](const auto&) { return fails_with(absl::DeadlineExceededError("no answer")); }};
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  const auto [status, none] = send(*commit);
  EXPECT_TRUE(commit->in_doubt());
  const std::vector<EndedWrite> ended = commit->give_up(status);
  EXPECT_TRUE(ndb::context::is_in_doubt(ended.at(0).result.status()));
  const Inspection left = record("a");
  ASSERT_EQ(left.state, Inspection::State::kLock);
  EXPECT_FALSE(left.holders.empty() && !left.contended_until);
  EXPECT_TRUE(workspace_->cache.is_uncertain(key("a")));
}

// Without a transaction, some of several mutations may have been applied, whatever the error; in a transaction, none.
TEST_P(LockedCommitTest, AnyErrorOfSeveralMutationsIsInDoubtOutsideOfTransactions) {
  stub_->script = {[](const auto&) { return fails_with(absl::AbortedError("contention")); }};
  const auto commit = this->commit({put("a"), put("b")});
  ASSERT_TRUE(commit->prepare().empty());
  const auto [status, none] = send(*commit);
  EXPECT_EQ(commit->in_doubt(), !in_transaction());
  commit->give_up(status);
  EXPECT_EQ(record("a").state, in_transaction() ? Inspection::State::kEmpty : Inspection::State::kLock);
  EXPECT_EQ(workspace_->cache.is_uncertain(key("b")), !in_transaction());
}

TEST_P(LockedCommitTest, AnAnswerThatDoesNotFitIsInDoubt) {
  stub_->script = {[](const auto&) { return wire::CommitResponse(); }};
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  EXPECT_EQ(send(*commit).first.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(commit->in_doubt());
}

TEST_P(LockedCommitTest, SentAgainASuccessIsNotTheLastWord) {
  stub_->script = {[](const auto&) { return fails_with(absl::UnavailableError("cut off")); }};
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  EXPECT_TRUE(absl::IsUnavailable(send(*commit).first));
  EXPECT_TRUE(commit->repeatable());
  // During the pause the first attempt may still be applied, so the locks last longer than it can take.
  ASSERT_TRUE(commit->prepare_for_pause().empty());
  clock_.advance(seconds(250));
  ASSERT_TRUE(commit->prepare().empty());
  const auto [status, ended] = send(*commit);
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(ended[0].result.ok());
  EXPECT_EQ(record("a").state, Inspection::State::kLock);
  EXPECT_TRUE(workspace_->cache.is_uncertain(key("a")));
}

TEST_P(LockedCommitTest, LocksThatRunShortAreTakenAnew) {
  const auto commit = this->commit({put("a")});
  ASSERT_TRUE(commit->prepare().empty());
  const ndb::WallTime first = record("a").holders.at(0);
  EXPECT_TRUE(commit->prepare().empty());  // they last: nothing is done
  EXPECT_EQ(record("a").holders.at(0), first);
  clock_.advance(seconds(60));
  EXPECT_TRUE(commit->prepare().empty());
  ASSERT_EQ(record("a").holders.size(), 1u);  // the old one is given back
  EXPECT_GT(record("a").holders[0], first);
  ASSERT_TRUE(send(*commit).first.ok());
  EXPECT_EQ(record("a").state, Inspection::State::kEmpty);
}

TEST_P(LockedCommitTest, LocksThatTakeTooLongAreAnErrorAndReleased) {
  const auto commit = this->commit({put("a")});
  const std::vector<ScriptedMemcached::RulePtr> slow = {memcached_.hold({.verb = Verb::kAdd, .nth = 1}),
                                                        memcached_.hold({.verb = Verb::kAdd, .nth = 2})};
  std::thread server([&] {
    for (const ScriptedMemcached::RulePtr& command : slow) {
      command->wait();
      clock_.advance(seconds(100));
      command->release();
    }
  });
  const std::vector<EndedWrite> refused = commit->prepare();
  server.join();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(refused[0].result.status()));
  EXPECT_THAT(std::string(refused[0].result.status().message()), HasSubstr("too long"));
  EXPECT_EQ(commit->size(), 0u);
  EXPECT_NE(record("a").state, Inspection::State::kLock);
}

TEST_P(LockedCommitTest, WritesWithoutALockLeaveTheCommit) {
  forget_locks("b", 0);
  const auto commit = this->commit({put("a"), put("b")});
  const std::vector<EndedWrite> refused = commit->prepare();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].write.key, key("b"));
  EXPECT_TRUE(absl::IsResourceExhausted(refused[0].result.status())) << refused[0].result.status();
  EXPECT_EQ(commit->size(), 1u);
  // A transaction then gives up: nothing was sent, so no outcome is unknown.
  EXPECT_EQ(commit->give_up(refused[0].result.status()).size(), 1u);
  EXPECT_EQ(record("a").state, Inspection::State::kEmpty);
  EXPECT_FALSE(workspace_->cache.is_uncertain(key("a")));
}

TEST_P(LockedCommitTest, BestEffortGoesOnWithoutALock) {
  memcached_.cut_off("writer");
  Write write = put("a");
  write.policy.best_effort = true;
  const auto commit = this->commit({std::move(write)});
  EXPECT_TRUE(commit->prepare().empty());
  EXPECT_TRUE(commit->prepare().empty());  // and does not ask again
  ASSERT_TRUE(send(*commit).first.ok());
}

// How the batches of a context use it.
class WriteBatchTest : public LockedCommitTest {
 protected:
  WriteBatchTest() : batch_(std::make_shared<ndb::context::WriteBatch>(workspace_)) {}

  absl::StatusOr<ndb::Key>& add(Write write) {
    absl::StatusOr<ndb::Key>& result = results_.emplace_back(absl::UnknownError("not told"));
    write.done = [&result](absl::StatusOr<ndb::Key> key) { result = std::move(key); };
    batch_->add(std::move(write));
    return result;
  }
  void finish() { EXPECT_TRUE(workspace_->in_flight->drain().ok()); }

  std::deque<absl::StatusOr<ndb::Key>> results_;
  const std::shared_ptr<ndb::context::WriteBatch> batch_;
};

INSTANTIATE_TEST_SUITE_P(OutsideOfTransactions, WriteBatchTest, ::testing::Values(""),
                         [](const auto&) { return "AWriteBatch"; });

TEST_P(WriteBatchTest, HalvesFindTheWritesAtFault) {
  const auto refuse_bad = [&](const wire::CommitRequest& request) -> CommitStub::Answer {
    for (const wire::Mutation& mutation : request.mutations()) {
      if (mutation.upsert().find("bad") != std::string::npos) return absl::InvalidArgumentError("bad");
    }
    return stub_->success(request);
  };
  for (int i = 0; i < 20; ++i) stub_->script.emplace_back(refuse_bad);
  for (const std::string id : {"a", "b", "bad", "c", "d"}) add(put(id));
  finish();
  for (std::size_t i = 0; i < results_.size(); ++i) EXPECT_EQ(results_[i].ok(), i != 2) << results_[i].status();
  EXPECT_THAT(std::string(results_[2].status().message()), HasSubstr("put of Key('Note', 'bad'"));
  EXPECT_EQ(record("a").state, Inspection::State::kEmpty);
  EXPECT_EQ(record("bad").state, Inspection::State::kEmpty);
}

TEST_P(WriteBatchTest, AnUnansweredCommitIsSentAgainAsOftenAsTheCallerAllows) {
  const auto cut_off = [](const auto&) { return fails_with(absl::UnavailableError("cut off")); };
  stub_->script = {cut_off, cut_off};
  Write write = put("a");
  write.rpc.retries = 2;
  const auto& result = add(std::move(write));
  finish();
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(stub_->commits.size(), 3u);
  EXPECT_EQ(record("a").state, Inspection::State::kLock);
  EXPECT_TRUE(workspace_->cache.is_uncertain(key("a")));

  stub_->script = {cut_off};
  const auto& once = add(put("b"));
  finish();
  EXPECT_TRUE(absl::IsUnavailable(once.status()));
  EXPECT_EQ(stub_->commits.size(), 4u);
}

TEST_P(WriteBatchTest, AConflictReleasesAtTheVersionOfTheDatastore) {
  stub_->script = {[&](const wire::CommitRequest& request) {
    auto response = stub_->success(request);
    response->mutable_mutation_results(0)->set_conflict_detected(true);
    response->mutable_mutation_results(0)->set_version(77);
    return response;
  }};
  Write write = put("a");
  write.base_version = 5;
  const auto& result = add(std::move(write));
  finish();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("put_if of Key('Note', 'a'"));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("version 77, not 5"));
  EXPECT_EQ(record("a").state, Inspection::State::kEmpty);
  EXPECT_EQ(record("a").version, 77u);
  EXPECT_EQ(workspace_->cache.floor(key("a")), 77u);
}

TEST_P(WriteBatchTest, LocksAreTakenCommitByCommit) {
  constexpr int kWrites = 3000;
  std::size_t most = 0;
  stub_->script.assign(6, [&](const wire::CommitRequest& request) {
    const auto stats = workspace_->gateway()->stats();
    most = std::max(most, static_cast<std::size_t>(stats.locks - stats.unlocks));
    EXPECT_LE(request.mutations_size(), 500);
    return stub_->success(request);
  });
  for (int i = 0; i < kWrites; ++i) add(put(std::to_string(i)));
  finish();
  EXPECT_LE(most, 500 * ndb::context::WriteBatch::kCommitsAtOnce);
  for (const auto& result : results_) ASSERT_TRUE(result.ok()) << result.status();
}

TEST_P(WriteBatchTest, ALockWithoutMemoryIsTriedAgainUntilTheDeadline) {
  forget_locks("b", 2);
  add(put("a"));
  add(put("b"));
  finish();
  EXPECT_TRUE(results_[0].ok()) << results_[0].status();
  EXPECT_TRUE(results_[1].ok()) << results_[1].status();

  forget_locks("c", 0);
  const ndb::Monotonic before = clock_.monotonic();
  Write write = put("c");
  write.rpc.deadline = seconds(5);
  const auto& result = add(std::move(write));
  finish();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("not written"));
  EXPECT_LE(clock_.monotonic() - before, seconds(6));
  EXPECT_GE(clock_.monotonic() - before, seconds(5));
}

TEST_P(WriteBatchTest, ALockThatIsNotAnsweredIsTriedAgainAsOftenAsTheCallerAllows) {
  memcached_.cut_off("writer");
  Write write = put("a");
  const auto& refused = add(put("a"));
  finish();
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();

  ndb::EventLoop::current().use_clock(clock_, [this](ndb::Monotonic when) {
    clock_.advance(when - clock_.monotonic());
    memcached_.let_in("writer");
    clock_.advance(seconds(2));  // the breaker looks again
  });
  write.rpc.retries = 3;
  const auto& result = add(std::move(write));
  finish();
  EXPECT_TRUE(result.ok()) << result.status();
}

TEST_P(WriteBatchTest, WritesOfAKeyEndInTheirOrder) {
  for (std::int64_t n = 1; n <= 3; ++n) add(put("a", n));
  const ndb::detail::PayloadPtr* own = workspace_->own_writes.find(key("a"));
  ASSERT_NE(own, nullptr);
  finish();
  EXPECT_EQ(stub_->commits.size(), 3u);
  for (const auto& result : results_) EXPECT_TRUE(result.ok());
  EXPECT_TRUE(workspace_->own_writes.empty());
  EXPECT_EQ(workspace_->cache.find(key("a"))->version, 103u);
}

}  // namespace
