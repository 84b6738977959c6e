// Contexts, scopes and the default client on threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "context/context_fixture.h"
#include "tasklet/event_loop.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(ContextTest, ContextsBelongToTheirThread) {
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
  EXPECT_THROW(ndb::key<Account>("x").get<Account>(), ndb::ContextError);
  {
    const auto scope = client_.context();
    ndb::Context& mine = ndb::get_context();
    std::thread([&] {
      EXPECT_THROW(mine.clear_cache(), ndb::ContextError);
      EXPECT_THROW(mine.memcache_get("x"), ndb::ContextError);
      EXPECT_THROW(ndb::get_context(), ndb::ContextError);
    }).join();
  }
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
}

TEST_F(ContextTest, AScopeSendsWhatIsPending) {
  {
    const auto scope = client_.context();
    (void)Account::make({.name = "late"}, ndb::id("late")).put_async();
  }
  in_new_context(client_, [] { EXPECT_TRUE(Account::get_by_id("late")); });
  // An error that no future can report is thrown by close() and flush().
  auto scope = client_.context();
  (void)ndb::Entity::make("Other", ndb::id("o"), {{"x", 1}}).put_async({.retries = -1});
  EXPECT_THROW(scope.close(), ndb::BadArgumentError);
  // The destructor cannot throw it, so it logs it.
  std::vector<std::string> logged;
  ndb::set_log_sink([&](ndb::Severity, std::string_view message) { logged.emplace_back(message); });
  {
    const auto left = client_.context();
    (void)ndb::Entity::make("Other", ndb::id("o"), {{"x", 1}}).put_async({.retries = -1});
  }
  ndb::set_log_sink(nullptr);
  EXPECT_THAT(logged, ElementsAre(HasSubstr("retries")));
}

TEST_F(ContextTest, TheDefaultClientServesThreadsWithoutScope) {
  ndb::set_default_client(client_);
  std::thread([] {
    Account::make({.name = "d"}, ndb::id("d")).put();
    const ndb::TierCounts& counts = ndb::get_context().counts();
    EXPECT_EQ(Account::get_by_id("d")->name, "d");
    EXPECT_EQ(Account::get_by_id("d")->name, "d");
    EXPECT_EQ(counts.cache_hits, 0);  // emptied when each call ended
    EXPECT_EQ(ndb::transaction([] {
                Account::get_by_id("d");
                return Account::get_by_id("d")->name;
              }),
              "d");
    EXPECT_EQ(counts.cache_hits, 1);  // a transaction's context is its own
    EXPECT_EQ(ndb::tasklet([] { return Account::get_by_id("d")->name; }).get(), "d");
  }).join();
  ndb::set_default_client(std::nullopt);
  std::thread([] { EXPECT_THROW(ndb::get_context(), ndb::ContextError); }).join();
}

// ---- Scopes within scopes ----

// Contexts with a name each, so that a test can ask which one is current.
class NestedScopesTest : public ContextTest {
 protected:
  ~NestedScopesTest() override { ndb::set_log_sink(nullptr); }

  ContextScope open(const std::string& name) const { return client_.context({.namespace_ = name}); }
  static std::string current() {
    try {
      return ndb::get_context().namespace_();
    } catch (const ContextError&) {
      return "none";
    }
  }
  void put(const std::string& id) const { Account::make({.name = id}, ndb::id(id)).put_async(); }
  // Whether the Datastore has it in that namespace.
  bool stored(const std::string& name, const std::string& id) const {
    const auto scope = open(name);
    return bool(Account::get_by_id(id, {.use_memcache = false}));
  }
  void keep_log() {
    ndb::set_log_sink([this](ndb::Severity, std::string_view message) { logged_.emplace_back(message); });
  }

  std::vector<std::string> logged_;
};

TEST_F(NestedScopesTest, TheInnerOneIsCurrentUntilItEnds) {
  const auto a = open("a");
  EXPECT_EQ(current(), "a");
  Account::make({.name = "a"}, ndb::id("x")).put();
  {
    const auto b = open("b");
    EXPECT_EQ(current(), "b");
    EXPECT_FALSE(Account::get_by_id("x"));
    {
      const auto again = open("a");
      EXPECT_EQ(again->cache_size(), 0u) << "contexts share nothing";
      EXPECT_EQ(Account::get_by_id("x")->name, "a");
    }
    EXPECT_EQ(current(), "b");
  }
  EXPECT_EQ(current(), "a");
  EXPECT_EQ(&*a, &ndb::get_context());
  EXPECT_EQ(a->cache_size(), 1u);
  EXPECT_EQ(Account::get_by_id("x")->name, "a");
}

TEST_F(NestedScopesTest, AnInnerScopeMayBeOfAnotherClient) {
  ClientOptions other = options();
  other.project = project() + "-other";
  const Client other_client(other);
  const auto outer = client_.context();
  Account::make({.name = "outer"}, ndb::id("x")).put();
  {
    const auto inner = other_client.context();
    EXPECT_EQ(ndb::key<Account>("x").project(), *other.project);
    EXPECT_FALSE(Account::get_by_id("x"));
    Account::make({.name = "inner"}, ndb::id("x")).put();
  }
  EXPECT_EQ(Account::get_by_id("x", {.use_cache = false})->name, "outer");
}

TEST_F(NestedScopesTest, AnInnerScopeIsOutsideOfTheTransactionAroundIt) {
  const auto outer = open("a");
  EXPECT_THROW(ndb::transaction([&] {
                 put("rolled back");
                 {
                   const auto inner = open("a");
                   EXPECT_FALSE(ndb::in_transaction());
                   EXPECT_FALSE(Account::get_by_id("rolled back")) << "it does not see what the transaction writes";
                   put("kept");
                 }
                 EXPECT_TRUE(ndb::in_transaction());
                 ndb::transaction([&] { throw std::runtime_error("undone"); }, {.propagation = Propagation::kAllowed});
               }),
               std::runtime_error);
  EXPECT_FALSE(stored("a", "rolled back"));
  EXPECT_TRUE(stored("a", "kept"));
}

TEST_F(NestedScopesTest, ScopesMayEndInAnyOrder) {
  for (const std::string order : {"abc", "acb", "bac", "bca", "cab", "cba"}) {
    SCOPED_TRACE(order);
    std::map<char, ContextScope> scopes;
    for (const char name : std::string("abc")) {
      scopes.emplace(name, open(std::string(1, name)));
      put(order + name);
    }
    for (const char name : order) {
      scopes.at(name).close();
      scopes.at(name).close();  // which does nothing
      scopes.erase(name);
      EXPECT_EQ(current(), scopes.empty() ? "none" : std::string(1, scopes.rbegin()->first))
          << "the innermost one left";
      EXPECT_TRUE(stored(std::string(1, name), order + name));
    }
  }
}

TEST_F(NestedScopesTest, ScopesMove) {
  std::optional<ContextScope> held;
  held.emplace(open("a"));
  const auto pointer = std::make_unique<ContextScope>(open("b"));
  EXPECT_EQ(current(), "b");
  struct Request {
    ContextScope scope;
  };
  Request request{std::move(*pointer)};
  EXPECT_EQ(current(), "b");
  EXPECT_EQ(request.scope->namespace_(), "b");
  pointer->close();  // of what was moved from: nothing
  EXPECT_EQ(current(), "b");
  put("before");
  request.scope = open("c");  // ends the former one, which is then the outer one
  EXPECT_EQ(current(), "c");
  EXPECT_TRUE(stored("b", "before"));
  ContextScope& same = request.scope;
  request.scope = std::move(same);
  EXPECT_EQ(current(), "c");
  held = std::move(request.scope);
  EXPECT_EQ(current(), "c") << "and a has ended";
  held.reset();
  EXPECT_EQ(current(), "none");
}

// As a server does that keeps one scope for each request, and opens the next one before it drops the last.
TEST_F(NestedScopesTest, AScopeThatIsReplacedAgainAndAgainLeavesNothingBehind) {
  ContextScope scope = open("first");
  const std::weak_ptr<Context> first = tasklet_locals().context;
  for (int i = 0; i < 1000; ++i) scope = open("next");
  EXPECT_TRUE(first.expired());
  scope.close();
  EXPECT_EQ(current(), "none");
}

TEST_F(NestedScopesTest, AnErrorIsToldWhereItHappened) {
  auto outer = open("a");
  auto inner = open("b");
  (void)Account::make({.name = "x"}).put_async({.retries = -1});
  EXPECT_THROW(inner.close(), ndb::BadArgumentError);
  EXPECT_EQ(current(), "a");
  outer.close();
}

TEST_F(NestedScopesTest, WithoutAScopeTheDefaultClientServesAgain) {
  ndb::set_default_client(client_);
  {
    const auto scope = open("a");
    EXPECT_EQ(current(), "a");
  }
  EXPECT_EQ(current(), "");
  put("implicit");
  ndb::set_default_client(std::nullopt);
  EXPECT_TRUE(stored("", "implicit"));
}

// ---- Scopes in tasklets and transactions ----

using Gate = std::shared_ptr<ndb::detail::FutureState<void>>;
Gate gate() { return std::make_shared<ndb::detail::FutureState<void>>(); }

TEST_F(NestedScopesTest, AScopeOpenedInATaskletIsThatTasklets) {
  const auto outer = open("outer");
  const Gate go = gate();
  const auto work = [&](const std::string& name) {
    EXPECT_EQ(current(), "outer");
    {
      const auto scope = open(name);
      const auto child = ndb::tasklet([&] {
        go->wait();
        return current();
      });
      go->wait();
      EXPECT_EQ(current(), name);
      EXPECT_EQ(child.get(), name) << "inherited";
    }
    EXPECT_EQ(current(), "outer");
  };
  const auto one = ndb::tasklet([&] { work("one"); });
  const auto two = ndb::tasklet([&] { work("two"); });
  ndb::tasklet([] {}).get();  // the others have started
  EXPECT_EQ(current(), "outer");
  go->set(ndb::detail::Unit{});
  one.get();
  two.get();
  EXPECT_EQ(current(), "outer");
}

// As a pool of threads serves requests.
TEST_F(NestedScopesTest, ThousandsOfTaskletsHaveAScopeEachAtOnce) {
  constexpr int kRequests = 2000;
  const Gate all_open = gate();
  int open_now = 0;
  std::vector<ndb::Tasklet<void>> requests;
  for (int i = 0; i < kRequests; ++i) {
    requests.push_back(ndb::tasklet([&, i, name = "tenant-" + std::to_string(i)] {
      const auto scope = open(name);
      if (++open_now == kRequests) all_open->set(ndb::detail::Unit{});
      all_open->wait();
      EXPECT_EQ(current(), name);
      if (i % 10 != 0) return;
      Account::make({.name = name}, ndb::id("x")).put({.use_memcache = false});
      EXPECT_EQ(Account::get_by_id("x", {.use_cache = false, .use_memcache = false})->name, name);
    }));
  }
  for (const auto& request : requests) request.get();
  EXPECT_EQ(current(), "none");
}

TEST_F(NestedScopesTest, TheEndOfAScopeWaitsForTheTaskletsSpawnedInIt) {
  std::vector<std::string> events;
  const Gate go = gate();
  std::optional<ndb::Tasklet<void>> child;
  const auto request = ndb::tasklet([&] {
    {
      const auto scope = open("a");
      child.emplace(ndb::tasklet([&] {
        go->wait();
        put("by the child");
        events.push_back("child of " + current());
      }));
    }
    events.push_back("ended");
  });
  const auto other = ndb::tasklet([&] { go->set(ndb::detail::Unit{}); });
  request.get();
  EXPECT_THAT(events, ElementsAre("child of a", "ended"));
  EXPECT_TRUE(stored("a", "by the child"));
}

TEST_F(NestedScopesTest, AScopeMayLeaveTheTaskletOrTransactionInWhichItWasOpened) {
  const auto outer = open("outer");
  std::optional<ContextScope> of_tasklet, of_transaction;
  ndb::tasklet([&] {
    of_tasklet.emplace(open("t"));
    put("in a tasklet");
  }).get();
  EXPECT_EQ(current(), "outer");
  ndb::transaction([&] {
    of_transaction.emplace(open("x"));
    put("in a transaction");
  });
  EXPECT_EQ(current(), "outer");
  of_tasklet.reset();
  of_transaction->close();
  EXPECT_EQ(current(), "outer");
  EXPECT_TRUE(stored("t", "in a tasklet"));
  EXPECT_TRUE(stored("x", "in a transaction"));
}

// To wait there would be to wait for oneself.
TEST_F(NestedScopesTest, AScopeDoesNotEndWithinWhatWorksInIt) {
  auto scope = open("a");
  ndb::tasklet([&] {
    EXPECT_THROW(scope.close(), ndb::ContextError);
    EXPECT_EQ(current(), "a");
  }).get();
  ndb::transaction([&] {
    put("committed");
    EXPECT_THROW(scope.close(), ndb::ContextError);
    EXPECT_TRUE(ndb::in_transaction());
  });
  EXPECT_TRUE(stored("a", "committed"));
  // Nor where it would be taken from a tasklet that goes on.
  const Gate go = gate();
  std::optional<ContextScope> of_tasklet;
  std::optional<ndb::Tasklet<void>> child;
  const auto request = ndb::tasklet([&] {
    of_tasklet.emplace(open("t"));
    child.emplace(ndb::tasklet([&] {
      go->wait();
      EXPECT_THROW(of_tasklet->close(), ndb::ContextError);
    }));
    ndb::tasklet([] {}).get();
    EXPECT_EQ(current(), "t");
  });
  ndb::tasklet([&] { EXPECT_THROW(of_tasklet->close(), ndb::ContextError); }).get();
  request.get();
  go->set(ndb::detail::Unit{});
  child->get();
  of_tasklet->close();
  scope.close();
}

TEST_F(NestedScopesTest, AScopeDestroyedWithinWhatWorksInItEndsAfterwards) {
  keep_log();
  std::optional<ContextScope> scope(open("a"));
  put("before");
  ndb::transaction([&] {
    put("committed");
    scope.reset();
    EXPECT_THAT(logged_, ElementsAre(HasSubstr("destroy a scope where it was opened")));
    const auto inner = open("b");  // which does not end it: the transaction goes on
  });
  EXPECT_EQ(current(), "a");
  EXPECT_TRUE(stored("a", "committed"));
  EXPECT_EQ(current(), "none") << "ended when the next one was opened";
  EXPECT_TRUE(stored("a", "before"));
  EXPECT_THAT(logged_, SizeIs(1));
}

}  // namespace
}  // namespace ndb::testing
