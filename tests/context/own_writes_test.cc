// A context sees its own writes: at once, whatever its caches keep, and no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/tiers.h"

namespace {

using ndb::testing::ScriptedStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;

class Plain : public ndb::Model<Plain> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class NotInContexts : public ndb::Model<NotInContexts> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_cache = false;
};

class WritesALog : public ndb::Model<WritesALog> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  void _post_put_hook(const absl::Status&) const {
    ndb::transaction([] { Plain::make({.n = 1}, ndb::id("log")).put(); });
  }
};

class OwnWrites : public Tiers {
 protected:
  template <class M>
  void store(std::int64_t n) {
    in_new_context(client_, [&] {
      for (int id = 1; id <= 3; ++id) M::make({.n = n}, ndb::id(id)).put();
    });
  }
  template <class M>
  static std::int64_t read(int id, const ndb::Options& options) {
    const M found = M::get_by_id(id, options);
    return found ? found->n : -1;
  }
  template <class M>
  static std::vector<std::int64_t> read_all(const ndb::Options& options) {
    const std::vector<ndb::Key> keys{ndb::key<M>(1), ndb::key<M>(2), ndb::key<M>(3)};
    std::vector<std::int64_t> numbers;
    for (const M& found : ndb::get_multi<M>(keys, options)) numbers.push_back(found ? found->n : -1);
    return numbers;
  }
  template <class M>
  static std::vector<std::int64_t> query(const ndb::Options& options) {
    std::vector<std::int64_t> numbers;
    for (const M& found : M::query().order(M::n).fetch(100, options)) numbers.push_back(found->n);
    return numbers;
  }

  // Every way in which a transaction may read what it has written itself.
  template <class M>
  void transaction_sees_its_own(const ndb::Options& options, const std::function<void(ndb::Context&)>& prepare) {
    store<M>(1);
    in_new_context(client_, [&] {
      ndb::transaction([&] {
        prepare(ndb::get_context());
        EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{1, 1, 1}));
        for (int id = 1; id <= 3; ++id) {
          M mine = M::get_by_id(id, options);
          mine.edit().n = 10 + id;
          mine.put(options);
        }
        EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{11, 12, 13}));
        ndb::key<M>(2).delete_(options);
        EXPECT_EQ(read<M>(2, options), -1);
        EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{11, -1, 13}));
        EXPECT_EQ(query<M>(options), (std::vector<std::int64_t>{11, 13}));
        ndb::get_context().clear_cache();
        EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{11, -1, 13}));
        EXPECT_EQ(M::get_or_insert("new", {.n = 20}, options)->n, 20);
        EXPECT_EQ(M::get_or_insert("new", {.n = 21}, options)->n, 20);
        EXPECT_EQ(M::get_by_id("new").key().template get<ndb::Entity>(options)["n"].as_int64(), 20);
      });
      EXPECT_EQ(read_all<M>({}), (std::vector<std::int64_t>{11, -1, 13}));
    });
    in_new_context(client_, [&] { EXPECT_EQ(read_all<M>({}), (std::vector<std::int64_t>{11, -1, 13})); });
  }

  const ndb::Client client_ = client();
};

TEST_F(OwnWrites, InATransaction) {
  transaction_sees_its_own<Plain>({}, [](ndb::Context&) {});
}
TEST_F(OwnWrites, InATransactionWithASmallCache) {
  transaction_sees_its_own<Plain>({}, [](ndb::Context& context) { context.set_cache_limit(1); });
}
TEST_F(OwnWrites, InATransactionPastTheCacheByOption) {
  transaction_sees_its_own<Plain>({.use_cache = false}, [](ndb::Context&) {});
}
TEST_F(OwnWrites, InATransactionPastTheCacheByPolicy) {
  transaction_sees_its_own<Plain>({}, [](ndb::Context& context) { context.set_cache_policy(false); });
}
TEST_F(OwnWrites, InATransactionPastTheCacheByClass) {
  transaction_sees_its_own<NotInContexts>({}, [](ndb::Context&) {});
}

TEST_F(OwnWrites, ReadModifyWriteTwiceInATransactionUnderALimit) {
  in_new_context(client_, [] {
    ndb::get_context().set_cache_limit(5);
    std::vector<Plain> all;
    for (int id = 1; id <= 20; ++id) all.push_back(Plain::make({.n = 0}, ndb::id(id)));
    ndb::put_multi(all);
    auto increment = ndb::transactional([](int id) {
      Plain one = Plain::get_by_id(id);
      one.edit().n += 1;
      one.put();
    });
    ndb::transaction([&] {
      for (int round = 0; round < 2; ++round) {
        for (int id = 1; id <= 20; ++id) increment(id);
      }
    });
    for (int id = 1; id <= 20; ++id) EXPECT_EQ(read<Plain>(id, {.use_cache = false}), 2) << id;
  });
}

// Writes that nobody has waited for.
class PendingWrites : public OwnWrites {
 protected:
  template <class M>
  void are_seen(const ndb::Options& options) {
    store<M>(1);
    in_new_context(client_, [&] {
      EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{1, 1, 1}));
      EXPECT_EQ(read<M>(4, options), -1);
      M::make({.n = 14}, ndb::id(4)).put_async(options);
      EXPECT_EQ(read<M>(4, options), 14);  // was known to be absent
      M mine = M::get_by_id(1, options);
      mine.edit().n = 11;
      mine.put_async(options);
      M again = M::get_by_id(1, options);
      EXPECT_EQ(again->n, 11);
      again.edit().n += 100;
      again.put_async(options);
      ndb::key<M>(2).delete_async(options);
      EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{111, -1, 1}));
      ndb::get_context().flush();
      EXPECT_EQ(read_all<M>(options), (std::vector<std::int64_t>{111, -1, 1}));

      M::make({.n = 30}, ndb::id("x")).put();
      ndb::key<M>("x").delete_async(options);
      EXPECT_EQ(M::get_or_insert("x", {.n = 31}, options)->n, 31);
      ndb::get_context().flush();
      EXPECT_EQ((M::get_by_id("x", {.use_cache = false, .use_memcache = false})->n), 31);
    });
  }
};

TEST_F(PendingWrites, AreSeen) { are_seen<Plain>({}); }
TEST_F(PendingWrites, AreSeenPastTheCacheByOption) { are_seen<Plain>({.use_cache = false}); }
TEST_F(PendingWrites, AreSeenPastTheCacheByClass) { are_seen<NotInContexts>({}); }

TEST_F(PendingWrites, AreSeenInTheResultsOfQueries) {
  store<Plain>(1);
  in_new_context(client_, [] {
    auto changed = Plain::make({.n = 5}, ndb::id(1)).put_async();
    ndb::key<Plain>(2).delete_async();
    std::vector<std::int64_t> numbers = query<Plain>({});
    // Whether the Datastore has them already or not.
    std::ranges::sort(numbers);
    EXPECT_THAT(numbers, ElementsAre(1, 5));
    changed.get();
  });
}

// A transaction begins when they have ended.
TEST_F(PendingWrites, AreSeenByATransactionThatBeginsAfterThem) {
  store<Plain>(1);
  in_new_context(client_, [] {
    Plain::make({.n = 7}, ndb::id(1)).put_async();
    EXPECT_EQ(ndb::transaction([] { return read<Plain>(1, {}); }), 7);
  });
}

TEST_F(PendingWrites, ThatFailLeaveNothing) {
  for (const bool cached : {true, false}) {
    SCOPED_TRACE(cached);
    store<Plain>(1);
    ScriptedStub* stub = nullptr;
    const ndb::Client client = scripted(stub);
    stub->on_commit = [](const auto&) { return ScriptedStub::Verdict{absl::PermissionDeniedError("no"), false}; };
    in_new_context(client, [&] {
      if (cached) Plain::get_by_id(1);
      const auto put = Plain::make({.n = 2}, ndb::id(1)).put_async();
      EXPECT_EQ(read<Plain>(1, {}), 2);                    // what was put
      EXPECT_EQ(read<Plain>(1, {.use_cache = false}), 1);  // what is in the tiers once the put has ended
      EXPECT_EQ(put.try_get().status().code(), absl::StatusCode::kPermissionDenied);
      EXPECT_EQ(read<Plain>(1, {}), 1);
      const auto deleted = ndb::key<Plain>(2).delete_async();
      EXPECT_EQ(read<Plain>(2, {}), -1);
      EXPECT_FALSE(deleted.try_get().ok());
      EXPECT_EQ(read<Plain>(2, {}), 1);
    });
  }
}

TEST_F(PendingWrites, OfUnknownOutcomeAreReadFromTheDatastore) {
  store<Plain>(1);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  stub->on_commit = [](const auto&) { return ScriptedStub::Verdict{absl::UnavailableError("cut off"), true}; };
  in_new_context(client, [&] {
    const auto put = Plain::make({.n = 2}, ndb::id(1)).put_async();
    EXPECT_EQ(read<Plain>(1, {}), 2);
    EXPECT_FALSE(put.try_get().ok());
    EXPECT_EQ(read<Plain>(1, {}), 2);
    EXPECT_EQ(ndb::get_context().counts().lookups, 1);
  });
}

// Hooks run when all writes of their batch have ended: one that begins a transaction waits for none of them.
TEST_F(PendingWrites, DoNotBlockATransactionOfAHook) {
  in_new_context(client_, [] {
    std::vector<WritesALog> several;
    for (int id = 1; id <= 3; ++id) several.push_back(WritesALog::make({.n = id}, ndb::id(id)));
    ndb::put_multi(several);
    EXPECT_TRUE(Plain::get_by_id("log"));
  });
}

}  // namespace
