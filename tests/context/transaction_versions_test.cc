// version_of() what a transaction has put: the version of its commit.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "support/tiers.h"

namespace {

using ndb::version_of;
using ndb::testing::Tiers;

class Counter : public ndb::Model<Counter> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class Stamped : public ndb::Model<Stamped> {
 public:
  struct Properties {
    std::int64_t n = 0;
    ndb::Timestamp changed{};
  };
  NDB_MODEL(n, (changed, .auto_now = true))
};

class TransactionVersions : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      Counter::make({.n = 1}, ndb::id("a")).put();
      Stamped::make({.n = 1}, ndb::id("a")).put();
    });
  }
  // The version that the Datastore has now.
  template <class M>
  static std::uint64_t stored() {
    return version_of(ndb::key<M>("a").template get<M>({.use_cache = false, .use_memcache = false}));
  }

  std::uint64_t stored_now() {
    std::uint64_t version = 0;
    in_new_context(client_, [&] { version = stored<Counter>(); });
    return version;
  }

  const ndb::Client client_ = client();
};

TEST_F(TransactionVersions, OfAHandleThatWasEditedAndPut) {
  in_new_context(client_, [] {
    Counter outside = Counter::get_by_id("a");
    std::optional<Counter> assigned;
    std::uint64_t meanwhile = 0;
    Counter returned = ndb::transaction([&] {
      Counter counter = Counter::get_by_id("a");
      counter.edit().n += 1;
      counter.put();
      meanwhile = version_of(counter);
      assigned = counter;
      outside = counter;
      return counter;
    });
    EXPECT_LT(meanwhile, stored<Counter>());  // not before it is committed
    EXPECT_EQ(version_of(returned), stored<Counter>());
    EXPECT_EQ(version_of(*assigned), stored<Counter>());
    EXPECT_EQ(version_of(outside), stored<Counter>());

    returned.edit().n = 10;
    EXPECT_NO_THROW(returned.put_if(version_of(returned)));
    EXPECT_EQ(version_of(returned), stored<Counter>());
    EXPECT_LT(version_of(outside), stored<Counter>());  // a handle of its own
    outside.edit().n = 11;
    EXPECT_THROW(outside.put_if(version_of(outside)), ndb::ConflictError);
  });
}

TEST_F(TransactionVersions, OfANewHandleAndOfWhatIsEditedBetweenPutAndCommit) {
  in_new_context(client_, [] {
    Counter made = Counter::make({.n = 5}, ndb::id("a"));
    ndb::transaction([&] {
      made.put();
      made.edit().n = 6;
    });
    EXPECT_EQ(version_of(made), stored<Counter>());
    EXPECT_NO_THROW(made.put_if(version_of(made)));

    Counter fresh = ndb::transaction([] {
      Counter counter = Counter::make({.n = 7}, ndb::id("a"));
      counter.put();
      counter.edit().n = 8;
      return counter;
    });
    EXPECT_EQ(version_of(fresh), stored<Counter>());
    EXPECT_NO_THROW(fresh.put_if(version_of(fresh)));
    EXPECT_EQ(Counter::get_by_id("a")->n, 8);
  });
}

TEST_F(TransactionVersions, OfAModelThatIsStamped) {
  in_new_context(client_, [] {
    Stamped stamped = Stamped::get_by_id("a");
    for (int round = 0; round < 3; ++round) {
      ndb::transaction([&] {
        stamped.edit().n += 1;
        stamped.put();
      });
      EXPECT_EQ(version_of(stamped), stored<Stamped>());
      EXPECT_NO_THROW(stamped.put_if(version_of(stamped)));
    }
  });
}

TEST_F(TransactionVersions, OfManyPutTogether) {
  in_new_context(client_, [] {
    std::vector<Counter> counters;
    ndb::transaction([&] {
      counters = {Counter::get_by_id("a"), Counter::make({}, ndb::id("b")), Counter::make({})};
      for (Counter& counter : counters) counter.edit().n += 1;
      ndb::put_multi(counters);
    });
    for (Counter& counter : counters) {
      counter.edit().n += 1;
      EXPECT_NO_THROW(counter.put_if(version_of(counter))) << counter;
    }
  });
}

// The second put of a key is what is committed; the first handle has never been stored.
TEST_F(TransactionVersions, OnlyOfTheLastPut) {
  in_new_context(client_, [] {
    Counter first = Counter::get_by_id("a");
    Counter second = first;
    ndb::transaction([&] {
      first.edit().n = 20;
      first.put();
      second.edit().n = 30;
      second.put();
    });
    EXPECT_EQ(version_of(second), stored<Counter>());
    EXPECT_LT(version_of(first), stored<Counter>());
    EXPECT_THROW(first.put_if(version_of(first)), ndb::ConflictError);
  });
}

TEST_F(TransactionVersions, NotOfWhatWasRolledBack) {
  in_new_context(client_, [] {
    Counter counter = Counter::get_by_id("a");
    const std::uint64_t before = version_of(counter);
    ndb::transaction([&] {
      counter.edit().n = 40;
      counter.put();
      throw ndb::Rollback("enough");
    });
    EXPECT_EQ(version_of(counter), before);
    EXPECT_EQ(stored<Counter>(), before);
    EXPECT_NO_THROW(counter.put_if(version_of(counter)));
  });
}

// A later put by another handle does not change this handle's version.
TEST_F(TransactionVersions, ItStaysWhenOthersWrite) {
  in_new_context(client_, [] {
    Counter counter = Counter::get_by_id("a");
    ndb::transaction([&] {
      counter.edit().n = 50;
      counter.put();
    });
    const std::uint64_t committed = stored<Counter>();
    Counter::make({.n = 60}, ndb::id("a")).put();
    EXPECT_EQ(version_of(counter), committed);
    EXPECT_THROW(counter.put_if(version_of(counter)), ndb::ConflictError);
  });
}

// What was read is shared with the context's cache, and may be put as it is.
TEST_F(TransactionVersions, OfWhatIsPutAsItWasReadAndEditedBeforeTheCommit) {
  in_new_context(client_, [] {
    const Counter before = Counter::get_by_id("a");
    Counter edited = ndb::transaction([] {
      Counter counter = Counter::get_by_id("a");
      counter.put();
      counter.edit().n = 20;
      return counter;
    });
    EXPECT_EQ(version_of(edited), stored<Counter>());
    EXPECT_NO_THROW(edited.put_if(version_of(edited)));
    EXPECT_EQ(Counter::get_by_id("a")->n, 20);
    EXPECT_LT(version_of(before), version_of(edited));
  });
}

TEST_F(TransactionVersions, OfWhatIsPutAgainAndAgain) {
  in_new_context(client_, [] {
    Counter counter = Counter::get_by_id("a");
    for (int round = 0; round < 3; ++round) {
      std::optional<Counter> edited;
      ndb::transaction([&] {
        counter.put();
        edited = counter;
        edited->edit().n = round;
        counter.put();
      });
      EXPECT_EQ(version_of(counter), stored<Counter>());
      EXPECT_EQ(version_of(*edited), stored<Counter>());
    }
    // An own write counts more than the commit that its properties came from.
    Counter copy = counter;
    copy.edit().n = 30;
    copy.put();
    const std::uint64_t own = stored<Counter>();
    EXPECT_EQ(version_of(copy), own);
    ndb::transaction([&] { counter.put(); });
    EXPECT_EQ(version_of(copy), own);
    EXPECT_LT(version_of(copy), stored<Counter>());
    EXPECT_THROW(copy.put_if(version_of(copy)), ndb::ConflictError);
  });
}

// Threads share what memcache confirms to be current; each gets the version of its own commit.
TEST_F(TransactionVersions, OfWhatThreadsShare) {
  std::vector<std::thread> threads;
  std::optional<Counter> shared;
  in_new_context(client_, [&] { shared = Counter::get_by_id("a"); });
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, mine = *shared]() mutable {
      in_new_context(client_, [&] {
        for (int round = 0; round < 5; ++round) {
          Counter copy = mine;
          ndb::transaction([&] { copy.put(); }, {.retries = 50});
          EXPECT_NE(version_of(copy), 0u);
          copy.edit().n = round;
          EXPECT_NE(version_of(copy), 0u);
        }
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(version_of(*shared), stored_now());
}

}  // namespace
