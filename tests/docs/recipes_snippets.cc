// The code of the guide's chapter of recipes, as in guide_snippets.cc.

#include <algorithm>
#include <string>
#include <vector>

#include "guide_fixture.h"

// [enum]
enum class Plan { free, kSilver, kGold };
NDB_ENUM(Plan, free, (kSilver, .name = "silver"), (kGold, .name = "gold"))  // stored as "free", "silver", "gold"

enum class Priority { kLow = 1, kHigh = 10 };  // no names: stored as 1 and 10

class Contract : public ndb::Model<Contract> {
 public:
  struct Properties {
    Plan plan = Plan::free;
    std::optional<Priority> priority{};
    std::vector<Plan> earlier{};
  };
  NDB_MODEL(plan, priority, earlier)
};
// [/enum]

// [page_model]
class Page : public ndb::Model<Page> {
 public:
  struct Properties {
    std::int64_t views = 0;
    std::int64_t longest_visit = 0;
    std::vector<std::string> readers{};
    ndb::Timestamp seen{};
    std::string title{};
  };
  NDB_MODEL(views, longest_visit, readers, seen, title)
};
// [/page_model]

// [migration_state]
class Migration : public ndb::Model<Migration> {  // how far a migration has got
 public:
  struct Properties {
    ndb::Text cursor{};
    std::int64_t changed = 0;
    bool finished = false;
  };
  NDB_MODEL(cursor, changed, finished)
};
// [/migration_state]

namespace guide {
namespace {

using Recipes = GuideInContext;

TEST_F(Recipes, PagesBothWays) {
  for (int i = 1; i <= 5; ++i) Account::make({.name = "Old", .age = 90 + i}, ndb::id(i)).put();
  // [pages_both_ways]
  auto oldest = Account::query().order(-Account::age, Account::_key);
  auto first = oldest.fetch_page(3);
  auto second = oldest.fetch_page(3, first.cursor);        // begins where the first one ends
  auto back = oldest.fetch_page_before(3, first.cursor);   // ends where the second one begins
  auto last = oldest.fetch_page_before(3, ndb::Cursor());  // ends where the query ends
  bool has_previous = last.more;                           // something is in front of last.cursor
  auto previous = oldest.fetch_page_before(3, last.cursor);
  // [/pages_both_ways]
  EXPECT_EQ(back.results, first.results);
  EXPECT_EQ(second.results.size(), 3u);
  EXPECT_EQ(last.results.back().key(), ada_);
  EXPECT_TRUE(has_previous);
  EXPECT_EQ(previous.results.size(), 3u);
}

TEST_F(Recipes, DeletingAKind) {
  std::vector<std::string> log;
  // [delete_all]
  std::size_t gone = ndb::delete_all(Account::query(Account::age > 40), {.progress = [&](const ndb::DeleteProgress& p) {
                                       log.push_back(std::to_string(p.deleted) + " so far");
                                     }});
  ndb::delete_kind<Account>();  // all that is left
  // [/delete_all]
  EXPECT_EQ(gone, 1u);
  EXPECT_THAT(log, ElementsAre("1 so far"));
  EXPECT_EQ(Account::query().count(), 0);
}

// [migrate]
// Changes one account. False: it needs no change, so running this twice does no harm.
bool migrate(Account& account) {
  if (account->age < 40 || std::ranges::count(account->tags, "senior") > 0) return false;
  account.edit().tags.push_back("senior");
  return true;
}

void migrate_accounts() {
  auto [state, is_new] = Migration::insert_or_get("senior-tag");
  while (!state->finished) {
    const auto page = Account::query().fetch_page(100, ndb::Cursor::from_urlsafe(state->cursor));
    std::vector<Account> changed;
    for (Account account : page.results) {
      if (migrate(account)) changed.push_back(account);
    }
    const auto written = ndb::try_put_multi_if(changed);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      if (written[i].ok()) continue;
      ndb::transaction([&] {  // somebody else has changed it in the meantime
        Account account = changed[i].key().get<Account>();
        if (account && migrate(account)) account.put();
      });
    }
    auto& progress = state.edit();
    progress.cursor = page.cursor.urlsafe();
    progress.changed += static_cast<std::int64_t>(changed.size());
    progress.finished = !page.more;
    state.put();
    ndb::get_context().clear_cache();  // so that memory does not grow with the kind
  }
}
// [/migrate]

TEST_F(Recipes, AMigrationGoesOnWhereItEnded) {
  migrate_accounts();
  EXPECT_THAT(Account::get_by_id("bob")->tags, ElementsAre("senior"));
  EXPECT_THAT(Account::get_by_id("ada")->tags, ElementsAre("vip"));
  Migration state = Migration::get_by_id("senior-tag");
  EXPECT_TRUE(state->finished);
  EXPECT_EQ(state->changed, 1);
  state.edit() = {};  // from the start
  state.put();
  migrate_accounts();
  EXPECT_THAT(Account::get_by_id("bob")->tags, ElementsAre("senior"));
  EXPECT_EQ(Migration::get_by_id("senior-tag")->changed, 0);
}

TEST_F(Recipes, Counters) {
  ndb::Key key = ndb::key<Page>("home");
  // [patch]
  ndb::PatchResult result = ndb::patch<Page>(key)
                                .set(Page::title("Home"))
                                .increment(Page::views, 1)
                                .maximum(Page::longest_visit, 340)
                                .append_missing(Page::readers, {"ada"})
                                .set_to_server_time(Page::seen)
                                .put();
  std::int64_t views = result.values[0].as_int64();  // as they are now
  // [/patch]
  EXPECT_EQ(views, 1);
  EXPECT_EQ(key.get<Page>()->views, 1);
  EXPECT_EQ(key.get<Page>()->title, "Home");
  EXPECT_THAT(key.get<Page>()->readers, ElementsAre("ada"));
}

TEST_F(Recipes, Enums) {
  // [enum_use]
  Contract::make({.plan = Plan::kGold, .priority = Priority::kHigh}, ndb::id("c")).put();
  auto paying = Contract::query(Contract::plan.IN({Plan::kSilver, Plan::kGold}), Contract::priority > Priority::kLow);
  std::string json = paying.get().to_json({.include = {"plan"}});  // {"plan":"gold"}
  // [/enum_use]
  EXPECT_EQ(json, R"({"plan":"gold"})");
  EXPECT_EQ(ndb::query("Contract").get()["priority"].as_int64(), 10);
}

// [idempotent]
// Safe to repeat, for example after a crash: if the request was applied already, this changes nothing.
bool deposit(std::string_view request_id, const ndb::Key& wallet, std::int64_t coins) {
  return ndb::transaction([&] {
    if (!Wallet::insert_or_get(request_id, wallet).inserted) return false;  // below the wallet: done before
    Wallet entity = wallet.get<Wallet>();
    entity.edit().coins += coins;
    entity.put();
    return true;
  });
}
// [/idempotent]

TEST_F(Recipes, IdempotentPuts) {
  const ndb::Key wallet = Wallet::make({}, ndb::id("w")).put();
  EXPECT_TRUE(deposit("r-1", wallet, 5));
  EXPECT_FALSE(deposit("r-1", wallet, 5));
  EXPECT_EQ(wallet.get<Wallet>()->coins, 5);
  // [versions]
  Wallet mine = wallet.get<Wallet>();
  mine.edit().coins += 1;
  try {
    mine.put_if(ndb::version_of(mine));  // nobody has changed it since it was read
    wallet.delete_if(version_of(mine));  // nor since that put
  } catch (const ndb::ConflictError&) {
    // read it again, and decide anew
  }
  // [/versions]
  EXPECT_FALSE(wallet.get<Wallet>());
}

}  // namespace
}  // namespace guide
