// Contexts, scopes and the default client on threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ContextTest, ContextsBelongToTheirThread) {
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
  EXPECT_THROW(ndb::key<Account>("x").get<Account>(), ndb::ContextError);
  {
    const auto scope = client_.context();
    EXPECT_THROW((void)client_.context(), ndb::ContextError);
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

}  // namespace
}  // namespace ndb::testing
