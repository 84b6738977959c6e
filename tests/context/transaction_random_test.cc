// Random transactions with every kind of end: what did not commit is seen nowhere.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "context/backoff.h"
#include "context/transaction_fixture.h"

namespace ndb::testing {
namespace {

// Rounds of parallel transactions with all kinds of ends. What did not commit must not be visible anywhere: not in this
// context's cache, in another context, memcache, the Datastore, or in queries; and none of its callbacks runs.
TEST_F(Transactions, RandomOnesLeaveNothingOfWhatFailed) {
  enum class Fate { kCommit, kThrow, kRollback, kRefused, kAbortedOnce, kAborted };
  constexpr int kGroups = 3, kKeys = 4;
  struct Oops {};
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto id = [](int group, int key) { return std::to_string(group) + "-" + std::to_string(key); };

  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  std::array<Fate, kGroups> fates{};
  std::array<int, kGroups> attempts{};
  stub->on_commit = [&](const ndb::wire::CommitRequest& request) -> ScriptedStub::Verdict {
    if (request.mutations_size() == 0) return {};
    const auto& mutation = request.mutations(0);
    const auto key =
        mutation.has_upsert() ? ndb::detail::entity_key(mutation.upsert()) : ndb::Key::from_bytes(mutation.delete_());
    const auto group = static_cast<std::size_t>(key->string_id()->front() - '0');
    const bool first = ++attempts[group] == 1;
    switch (fates[group]) {
      case Fate::kRefused:
        return {absl::InvalidArgumentError("refused"), false};
      case Fate::kAborted:
        return {absl::AbortedError("contention"), false};
      case Fate::kAbortedOnce:
        if (first) return {absl::AbortedError("contention"), false};
        return {};
      default:
        return {};
    }
  };
  std::map<std::string, std::int64_t> model;
  const auto agrees = [&](const ndb::Options& options) {
    for (int group = 0; group < kGroups; ++group) {
      for (int key = 0; key < kKeys; ++key) {
        const Counter found = Counter::get_by_id(id(group, key), options);
        const auto expected = model.find(id(group, key));
        ASSERT_EQ(static_cast<bool>(found), expected != model.end()) << id(group, key);
        if (found) {
          ASSERT_EQ(found->n, expected->second) << id(group, key);
        }
      }
    }
  };
  in_new_context(client, [&] {
    for (int round = 0; round < 25 && !HasFatalFailure(); ++round) {
      std::vector<std::map<std::string, std::int64_t>> after(kGroups);  // -1: deleted
      std::vector<int> groups(kGroups), callbacks(kGroups);
      std::iota(groups.begin(), groups.end(), 0);
      attempts = {};
      for (Fate& fate : fates) fate = static_cast<Fate>(below(6));
      ndb::map(groups, [&](int group) {
        const auto g = static_cast<std::size_t>(group);
        const auto body = [&] {
          after[g].clear();
          ndb::get_context().call_on_commit([&callbacks, g] { ++callbacks[g]; });
          for (int step = 0; step < 5; ++step) {
            const std::string key = id(group, below(kKeys));
            const int what = below(4);
            if (what == 0) {
              ndb::key<Counter>(key).delete_();
              after[g][key] = -1;
            } else if (what == 1) {
              const Counter found = Counter::get_by_id(key);
              const auto mine = after[g].find(key);
              const auto stored = model.find(key);
              const std::int64_t expected = mine != after[g].end()  ? mine->second
                                            : stored != model.end() ? stored->second
                                                                    : -1;
              EXPECT_EQ(found ? found->n : -1, expected) << key;
            } else {
              const std::int64_t n = below(1000);
              Counter::make({.n = n}, ndb::id(key)).put();
              after[g][key] = n;
            }
          }
          if (after[g].empty()) {
            Counter::make({.n = 0}, ndb::id(id(group, 0))).put();
            after[g][id(group, 0)] = 0;
          }
          if (fates[g] == Fate::kThrow) throw Oops();
          if (fates[g] == Fate::kRollback) throw ndb::Rollback("");
        };
        try {
          ndb::transaction(body, {.retries = 1});
        } catch (const Oops&) {
        } catch (const ndb::Error&) {
        }
      });
      for (std::size_t g = 0; g < kGroups; ++g) {
        const bool committed = fates[g] == Fate::kCommit || fates[g] == Fate::kAbortedOnce;
        EXPECT_EQ(callbacks[g], committed ? 1 : 0);
        if (!committed) continue;
        for (const auto& [key, n] : after[g]) {
          if (n < 0) {
            model.erase(key);
          } else {
            model[key] = n;
          }
        }
      }
      agrees({});
      agrees({.use_cache = false});
      agrees({.use_cache = false, .use_memcache = false});
      elsewhere([&] { agrees({}); });
      std::map<std::string, std::int64_t> queried;
      for (const Counter& counter : Counter::query()) queried[std::string(*counter.key().string_id())] = counter->n;
      EXPECT_EQ(queried, model);
    }
  });
}

}  // namespace
}  // namespace ndb::testing
