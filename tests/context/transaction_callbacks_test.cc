// What runs at the end of a transaction, however it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "context/transaction_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;

TEST_F(Transactions, CallbacksRunAfterTheCommitInOrder) {
  std::vector<std::string> events;
  in_new_context(client_, [&] {
    ndb::get_context().call_on_commit([&] { events.push_back("at once"); });
    ndb::transaction([&] {
      ndb::get_context().call_on_commit([&] {
        EXPECT_FALSE(ndb::get_context().in_transaction());
        events.push_back("first " + std::to_string(Counter::get_by_id("a")->n));
      });
      ndb::get_context().call_on_commit([&] { events.push_back("second"); });
      Counter::make({.n = 5}, ndb::id("a")).put();
      events.push_back("body");
    });
    ndb::transaction([&] {
      ndb::get_context().call_on_commit([&] { events.push_back("never"); });
      throw ndb::Rollback("");
    });
  });
  EXPECT_THAT(events, ElementsAre("at once", "body", "first 5", "second"));
}

TEST_F(Transactions, AFailingCallbackStopsNoOtherAndTheCommitStands) {
  std::vector<int> ran;
  in_new_context(client_, [&] {
    EXPECT_THROW(ndb::transaction([&] {
                   Counter::make({.n = 5}, ndb::id("a")).put();
                   ndb::get_context().call_on_commit([&] { ran.push_back(1); });
                   ndb::get_context().call_on_commit([] { throw std::runtime_error("callback"); });
                   ndb::get_context().call_on_commit([&] { ran.push_back(3); });
                 }),
                 std::runtime_error);
    EXPECT_EQ(Counter::get_by_id("a")->n, 5);
  });
  EXPECT_THAT(ran, ElementsAre(1, 3));
  EXPECT_EQ(get("a"), 5);
}

// Entities that are not stored in the Datastore are stored after the commit. If memcache refuses one, the commit still
// stands, and the callbacks run.
TEST_F(Transactions, CallbacksRunAlthoughMemcacheRefusesAnEntity) {
  std::string noise;
  for (std::mt19937 random; noise.size() < 1'048'450;) noise.push_back(static_cast<char>(random()));
  bool ran = false;
  in_new_context(client_, [&] {
    try {
      ndb::transaction([&] {
        Counter::make({.n = 5}, ndb::id("a")).put();
        Large::make({.noise = ndb::Blob(noise)}, ndb::id("b")).put({.use_datastore = false});
        ndb::get_context().call_on_commit([&] { ran = true; });
      });
      ADD_FAILURE() << "nobody says that the entity is too large";
    } catch (const ndb::Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("the transaction was committed, but Key('Large', 'b'"));
    }
  });
  EXPECT_TRUE(ran);
  EXPECT_EQ(get("a"), 5);
}

TEST_F(Transactions, CallbacksOfItsEndRunHoweverItEnds) {
  std::vector<std::string> events;
  const auto note = [&](std::string event) {
    return [&events, event = std::move(event)] {
      EXPECT_FALSE(ndb::get_context().in_transaction());
      const Counter a = Counter::get_by_id("a");
      events.push_back(event + " " + (a ? std::to_string(a->n) : "-"));
    };
  };
  const auto begin = [&](const std::string& event) {
    ndb::Context& context = ndb::get_context();
    context.call_on_transaction_complete(note(event + " ended"));
    context.call_on_commit(note(event + " committed"));
  };
  struct Oops {};
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    if (++commits == 2) return ScriptedStub::Verdict{absl::AbortedError("contention"), false};
    if (commits == 4) return ScriptedStub::Verdict{absl::UnavailableError("cut"), true};
    return ScriptedStub::Verdict{};
  };
  const auto put = [](std::int64_t n) { Counter::make({.n = n}, ndb::id("a")).put(); };
  in_new_context(client, [&] {
    ndb::get_context().call_on_transaction_complete(note("at once"));
    ndb::transaction([&] {
      begin("first");
      put(1);
      ndb::transaction([&] { begin("joined"); }, {.propagation = ndb::Propagation::kAllowed});
    });
    EXPECT_THAT(events,
                ElementsAre("at once -", "first committed 1", "joined committed 1", "first ended 1", "joined ended 1"));
    events.clear();
    ndb::transaction([&] {
      begin("rolled back");
      put(2);
      throw ndb::Rollback("");
    });
    EXPECT_THROW(ndb::transaction([&] {
                   begin("thrown");
                   put(2);
                   throw Oops();
                 }),
                 Oops);
    EXPECT_THAT(events, ElementsAre("rolled back ended 1", "thrown ended 1"));
    events.clear();
    int attempts = 0;
    ndb::transaction([&] {
      begin("attempt " + std::to_string(++attempts));
      put(3);
    });
    EXPECT_THAT(events, ElementsAre("attempt 1 ended 1", "attempt 2 committed 3", "attempt 2 ended 3"));
    events.clear();
    EXPECT_THROW(ndb::transaction([&] {
                   begin("unknown");
                   put(4);
                 }),
                 ndb::Error);
    EXPECT_THAT(events, ElementsAre("unknown ended 4"));
  });
}

TEST_F(Transactions, CallbacksOfItsEndAllRunAndTheFirstErrorCounts) {
  std::vector<int> ran;
  const auto end_badly = [&] {
    ndb::get_context().call_on_transaction_complete([&] {
      ran.push_back(1);
      throw std::runtime_error("first callback");
    });
    ndb::get_context().call_on_transaction_complete([&] {
      ran.push_back(2);
      throw std::runtime_error("second callback");
    });
    Counter::make({.n = 5}, ndb::id("a")).put();
  };
  const auto error_of = [](const std::function<void()>& body) -> std::string {
    try {
      ndb::transaction(body);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  };
  in_new_context(client_, [&] {
    EXPECT_EQ(error_of([&] {
                end_badly();
                throw std::runtime_error("body");
              }),
              "body");
    EXPECT_FALSE(Counter::get_by_id("a"));
    EXPECT_EQ(error_of([&] {
                end_badly();
                throw ndb::Rollback("");
              }),
              "first callback");
    EXPECT_EQ(error_of(end_badly), "first callback");  // the commit stands
    EXPECT_EQ(Counter::get_by_id("a")->n, 5);
    EXPECT_EQ(error_of([&] {
                end_badly();
                ndb::get_context().call_on_commit([] { throw std::runtime_error("on commit"); });
              }),
              "on commit");
  });
  EXPECT_THAT(ran, ElementsAre(1, 2, 1, 2, 1, 2, 1, 2));
}

}  // namespace
}  // namespace ndb::testing
