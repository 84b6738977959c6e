// Concurrent transactions at random, whose history is then checked: each must have seen the store as it was when it
// committed. Lost updates, write skew, phantoms and read skew all break that.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "local_datastore/datastore_client.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

using Concurrency = LocalDatastore::Concurrency;
using ::testing::HasSubstr;

// An entity as a transaction has seen it: its number, and the version that wrote it; 0 if it was absent.
struct Seen {
  std::int64_t version = 0;
  std::int64_t number = 0;
  bool operator==(const Seen&) const = default;
};
using State = std::map<std::string, Seen>;  // by name; who is absent has no entry

// The record of one committed transaction.
struct Transcript {
  std::int64_t committed = 0;                                   // its commit's version
  std::map<std::string, Seen> keys{};                           // what lookups said; Seen{} for an absent one
  std::vector<std::pair<std::int64_t, State>> ranges{};         // queries n >= the first: all results
  std::map<std::string, std::optional<std::int64_t>> writes{};  // nullopt: deleted
};

// The first inconsistency in a history, or nothing. The transactions must be equivalent to their execution one after
// another, in the order of their versions.
std::string check(std::vector<Transcript> history) {
  std::sort(history.begin(), history.end(),
            [](const Transcript& a, const Transcript& b) { return a.committed < b.committed; });
  State state;
  for (const Transcript& t : history) {
    const std::string who = "the transaction at " + std::to_string(t.committed);
    for (const auto& [name, seen] : t.keys) {
      const auto now = state.find(name);
      if (seen != (now == state.end() ? Seen{} : now->second)) return who + " has read " + name + " as it was not";
    }
    for (const auto& [least, seen] : t.ranges) {
      State expected;
      for (const auto& [name, item] : state) {
        if (item.number >= least) expected.emplace(name, item);
      }
      if (seen != expected) return who + " has read n >= " + std::to_string(least) + " as it was not";
    }
    for (const auto& [name, number] : t.writes) {
      if (number) {
        state[name] = {t.committed, *number};
      } else {
        state.erase(name);
      }
    }
  }
  return "";
}

TEST(CheckerTest, FindsEachAnomaly) {
  const Transcript start{.committed = 1, .writes = {{"a", 1}, {"b", 1}}};
  const Seen one{.version = 1, .number = 1};
  const auto reads = [&](std::int64_t at, std::map<std::string, Seen> keys,
                         std::map<std::string, std::optional<std::int64_t>> writes) {
    return Transcript{.committed = at, .keys = std::move(keys), .writes = std::move(writes)};
  };
  const State all{{"a", one}, {"b", one}};
  EXPECT_EQ(check({reads(3, {{"a", {2, 5}}}, {{"b", 2}}), start, reads(2, {{"a", one}}, {{"a", 5}})}), "");
  const std::map<std::string, std::vector<Transcript>> anomalies = {
      {"lost update", {start, reads(2, {{"a", one}}, {{"a", 2}}), reads(3, {{"a", one}}, {{"a", 2}})}},
      {"write skew",
       {start, reads(2, {{"a", one}, {"b", one}}, {{"a", 0}}), reads(3, {{"a", one}, {"b", one}}, {{"b", 0}})}},
      {"read skew", {start, reads(2, {}, {{"a", 2}, {"b", 2}}), reads(3, {{"a", one}, {"b", {2, 2}}}, {{"c", 1}})}},
      {"phantom", {start, reads(2, {}, {{"c", 7}}), {.committed = 3, .ranges = {{0, all}}, .writes = {{"d", 1}}}}},
      {"dirty read", {start, reads(2, {{"a", {0, 9}}}, {{"b", 9}})}},
  };
  for (const auto& [name, history] : anomalies) EXPECT_THAT(check(history), HasSubstr("as it was not")) << name;
}

class IsolationTest : public ::testing::TestWithParam<Concurrency> {
 protected:
  static constexpr int kNames = 6;
  static v1::Key key_of(const std::string& name) { return key("K", name); }
  static std::string name_of(const v1::EntityResult& result) { return result.entity().key().path(0).name(); }
  static Seen seen_of(const v1::EntityResult& result) {
    return {result.version(), result.entity().properties().at("n").integer_value()};
  }

  void look_up(DatastoreClient& client, const v1::ReadOptions& options, const std::string& name, Transcript& out) {
    const auto reply = client.lookup({key_of(name)}, options);
    if (reply.ok()) out.keys[name] = reply.response.found().empty() ? Seen{} : seen_of(reply.response.found(0));
  }

  void query(DatastoreClient& client, const v1::ReadOptions& options, std::int64_t least, Transcript& out) {
    v1::Query query;
    query.add_kind()->set_name("K");
    v1::PropertyFilter& filter = *query.mutable_filter()->mutable_property_filter();
    filter.mutable_property()->set_name("n");
    filter.set_op(v1::PropertyFilter::GREATER_THAN_OR_EQUAL);
    *filter.mutable_value() = integer(least);
    const auto reply = client.run(query, options);
    if (!reply.ok()) return;
    State state;
    for (const v1::EntityResult& result : reply.response.batch().entity_results()) {
      state[name_of(result)] = seen_of(result);
    }
    out.ranges.emplace_back(least, std::move(state));
  }

  // One transaction of some reads and writes; nothing if it was aborted.
  std::optional<Transcript> attempt(DatastoreClient& client, std::mt19937_64& random) {
    const auto name = [&] { return std::string(1, static_cast<char>('a' + random() % kNames)); };
    Transcript out;
    v1::ReadOptions options;
    options.set_transaction(client.begin());
    for (std::uint64_t reads = random() % 4; reads > 0; --reads) {
      if (random() % 3 == 0) {
        query(client, options, static_cast<std::int64_t>(random() % 10), out);
      } else {
        look_up(client, options, name(), out);
      }
    }
    for (std::uint64_t writes = 1 + random() % 2; writes > 0; --writes) {
      const bool erases = random() % 4 == 0;
      out.writes[name()] = erases ? std::nullopt : std::optional(static_cast<std::int64_t>(random() % 10));
    }
    std::vector<v1::Mutation> mutations;
    for (const auto& [written, number] : out.writes) {
      mutations.push_back(number ? upsert(entity(key_of(written), {{"n", integer(*number)}})) : erase(key_of(written)));
    }
    const auto reply = client.commit(options.transaction(), mutations);
    if (!reply.ok()) {
      EXPECT_EQ(reply.status.error_code(), grpc::ABORTED) << reply.status.error_message();
      return std::nullopt;
    }
    const auto& time = reply.response.commit_time();
    out.committed = time.seconds() * 1'000'000 + time.nanos() / 1000;
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, IsolationTest, ::testing::Values(Concurrency::kPessimistic, Concurrency::kOptimistic),
                         [](const auto& mode) { return mode.param == Concurrency::kPessimistic ? "Locks" : "Checks"; });

TEST_P(IsolationTest, HistoriesAreSerial) {
  constexpr unsigned kThreads = 6;
  constexpr int kAttempts = 150;
  const std::uint64_t seed = test_seed();
  const auto server = LocalDatastore::start({.concurrency = GetParam()});
  Mutex mutex;
  std::vector<Transcript> history;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      DatastoreClient client(*server);
      std::mt19937_64 random(seed + t);
      for (int i = 0; i < kAttempts; ++i) {
        std::optional<Transcript> transcript = attempt(client, random);
        const MutexLock lock(mutex);
        if (transcript) history.push_back(*std::move(transcript));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(history.size(), kThreads * kAttempts / 10) << "many get through";
  EXPECT_EQ(check(history), "");
}

}  // namespace
}  // namespace ndb::testing
