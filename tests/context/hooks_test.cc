// Hooks around calls, and the errors of invalid calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> hook_calls;
class Hooked : public ndb::Model<Hooked> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static void _pre_get_hook(const ndb::Key& key) { note("pre_get", key); }
  static void _post_get_hook(const ndb::Key& key, const absl::Status& status) { note("post_get", key, status); }
  static void _pre_delete_hook(const ndb::Key& key) { note("pre_delete", key); }
  static void _post_delete_hook(const ndb::Key& key, const absl::Status& status) { note("post_delete", key, status); }
  static void _pre_allocate_ids_hook(int count, const ndb::Key& parent) {
    if (count > 9) throw ndb::BadArgumentError("too many");
    note("pre_allocate_ids " + std::to_string(count), parent);
  }
  static void _post_allocate_ids_hook(int count, const ndb::Key& parent, const absl::Status& status) {
    note("post_allocate_ids " + std::to_string(count), parent, status);
  }
  void _pre_put_hook() {
    edit().n += 1;
    note("pre_put", key());
  }
  void _post_put_hook(const absl::Status& status) const { note("post_put", key(), status); }

 private:
  static void note(std::string what, const ndb::Key& key, const absl::Status& status = absl::OkStatus()) {
    const auto id = key.string_id();
    hook_calls.push_back(std::move(what) + " " + (id ? std::string(*id) : "?") + (status.ok() ? "" : " failed"));
  }
};

class Grumbler : public ndb::Model<Grumbler> {  // its post hooks throw
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static void _post_get_hook(const ndb::Key&, const absl::Status&) { throw std::runtime_error("got"); }
  static void _post_delete_hook(const ndb::Key&, const absl::Status&) { throw std::runtime_error("deleted"); }
  static void _post_allocate_ids_hook(int, const ndb::Key&, const absl::Status&) { throw 5; }
  void _post_put_hook(const absl::Status&) const { throw std::runtime_error("put"); }
  void _post_commit_put_hook(const ndb::Committed&) const { throw std::runtime_error("put committed"); }
  static void _post_commit_delete_hook(const ndb::Key&) { throw std::runtime_error("delete committed"); }
};

TEST_F(ContextTest, HooksRunAroundEveryCall) {
  hook_calls.clear();
  in_new_context(client_, [&] {
    Hooked hooked = Hooked::make({.n = 1}, ndb::id("h"));
    hooked.put();
    EXPECT_EQ(hooked->n, 2);
    EXPECT_EQ(Hooked::get_by_id("h")->n, 2);                          // a context hit runs them too
    hooked.key().get_async<ndb::Entity>({.use_cache = false}).get();  // the class of the key's kind has the hooks
    hooked.key().delete_();
    EXPECT_THAT(Hooked::get_by_id_async("h", {.retries = -1}).try_get().status().code(),
                absl::StatusCode::kInvalidArgument);
  });
  EXPECT_THAT(hook_calls, ElementsAre("pre_put h", "post_put h", "pre_get h", "post_get h", "pre_get h", "post_get h",
                                      "pre_delete h", "post_delete h"));
}

TEST_F(ContextTest, HooksRunAroundAllocateIds) {
  hook_calls.clear();
  const ndb::Key parent = ndb::key<Hooked>("p");
  in_new_context(client_, [&] {
    EXPECT_EQ(Hooked::allocate_ids(2).size(), 2u);
    EXPECT_EQ(Hooked::allocate_ids_async(1, parent).get()[0].parent().string_id(), "p");
    EXPECT_THROW(Hooked::allocate_ids(-1), ndb::BadArgumentError);  // refused before any hook
    EXPECT_THROW(Hooked::allocate_ids(10), ndb::BadArgumentError);  // by the hook
    Hooked::make({}).put();                                         // not a call of allocate_ids
    EXPECT_THROW(Hooked::allocate_ids(1, parent.in_partition({.project = "other"})), ndb::Error);
  });
  EXPECT_THAT(hook_calls, ElementsAre("pre_allocate_ids 2 ?", "post_allocate_ids 2 ?", "pre_allocate_ids 1 p",
                                      "post_allocate_ids 1 p", "pre_put ?", "post_put ?", "pre_allocate_ids 1 p",
                                      "post_allocate_ids 1 p failed"));
}

std::vector<std::string> commits;
class Watched : public ndb::Model<Watched> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  void _post_commit_put_hook(const ndb::Committed& committed) const {
    EXPECT_EQ(ndb::version_of(*this), committed.version);
    EXPECT_FALSE(ndb::in_transaction());
    const std::string_view what = !committed.created ? "wrote " : *committed.created ? "created " : "updated ";
    commits.push_back(std::string(what) + name(key()) + "=" + std::to_string((*this)->n));
  }
  static void _post_commit_delete_hook(const ndb::Key& key) {
    EXPECT_FALSE(ndb::in_transaction());
    commits.push_back("deleted " + name(key));
  }

 private:
  static std::string name(const ndb::Key& key) { return std::string(key.string_id().value_or("?")); }
};

TEST_F(ContextTest, CommitHooksSayWhatWasCommitted) {
  commits.clear();
  in_new_context(client_, [&] {
    Watched a = Watched::make({.n = 1}, ndb::id("a"));
    a.put();
    a.edit().n = 2;
    a.put();
    Watched::make({.n = 3}).put();  // the Datastore completes the key
    EXPECT_TRUE(Watched::insert_or_get("b", {.n = 4}).inserted);
    EXPECT_FALSE(Watched::insert_or_get("b", {.n = 5}).inserted);
    a.key().delete_();
    EXPECT_THROW(a.put_if(1), ndb::ConflictError);
    a.put_if(0);
    std::vector<Watched> two{Watched::make({.n = 6}, ndb::id("c")), Watched::make({.n = 7}, ndb::id("b"))};
    ndb::put_multi(two);
  });
  EXPECT_THAT(commits, ElementsAre("created a=1", "updated a=2", "created ?=3", "created b=4", "deleted a",
                                   "created a=2", "created c=6", "updated b=7"));
}

TEST_F(ContextTest, CommitHooksOfATransactionRunAfterItsCommit) {
  commits.clear();
  in_new_context(client_, [&] {
    Watched::make({.n = 1}, ndb::id("old")).put();
    commits.clear();
    int attempts = 0;
    const auto write = [&] {
      Watched::make({.n = 2}, ndb::id("new")).put();
      Watched::make({.n = 3}, ndb::id("new")).put();
      ndb::key<Watched>("old").delete_();
      ndb::get_context().call_on_commit([] { commits.emplace_back("callback"); });
      EXPECT_THAT(commits, IsEmpty());
      ++attempts;
    };
    ndb::transaction([&] {
      write();
      if (attempts == 1) throw ndb::Rollback("");
    });
    EXPECT_THAT(commits, IsEmpty()) << "rolled back";
    EXPECT_THROW(ndb::transaction([&] {
                   write();
                   throw std::runtime_error("no");
                 }),
                 std::runtime_error);
    EXPECT_THAT(commits, IsEmpty());
    ndb::transaction([&] {
      write();
      if (attempts == 3) throw ndb::Error(absl::AbortedError("once more"));
    });
    EXPECT_EQ(attempts, 4);
  });
  EXPECT_THAT(commits, ElementsAre("created new=3", "deleted old", "callback"));
}

// Where the Datastore is not asked, nobody knows what was there before.
TEST_F(ContextTest, CommitHooksRunForEntitiesThatAreOnlyCached) {
  commits.clear();
  in_new_context(client_, [&] {
    Watched::make({.n = 1}, ndb::id("a")).put({.use_datastore = false});
    ndb::transaction([] { Watched::make({.n = 2}, ndb::id("b")).put({.use_datastore = false}); });
  });
  EXPECT_THAT(commits, ElementsAre("wrote a=1", "wrote b=2"));
}

// The operation is not undone, and the rest of the batch gets its results.
TEST_F(ContextTest, APostHookThatThrowsIsLogged) {
  std::vector<std::string> logged;
  ndb::set_log_sink([&](ndb::Severity, std::string_view message) { logged.emplace_back(message); });
  in_new_context(client_, [&] {
    const std::vector<ndb::Key> two{ndb::key<Grumbler>("a"), ndb::key<Grumbler>("b")};
    std::vector<Grumbler> grumblers{Grumbler::make(two[0], {.n = 1}), Grumbler::make(two[1], {.n = 2})};
    ndb::put_multi(grumblers);
    ndb::get_context().clear_cache();
    EXPECT_EQ(ndb::get_multi<Grumbler>(two)[1]->n, 2);
    EXPECT_EQ(Grumbler::get_by_id("a")->n, 1);
    ndb::delete_multi(two);
    EXPECT_EQ(Grumbler::allocate_ids(1).size(), 1u);
  });
  ndb::set_log_sink(nullptr);
  ASSERT_EQ(logged.size(), 12u);
  EXPECT_THAT(logged[0], HasSubstr("_post_put_hook of Key('Grumbler', 'a'"));
  EXPECT_THAT(logged[0], HasSubstr("failed: put"));
  EXPECT_THAT(logged[1], HasSubstr("_post_commit_put_hook of Key('Grumbler', 'a'"));
  EXPECT_THAT(logged[11], HasSubstr("_post_allocate_ids_hook of Key('Grumbler', None"));
}

TEST_F(ContextTest, BadCallsSayWhatIsWrong) {
  in_new_context(client_, [&] {
    ndb::Entity::make("Account", ndb::id("wrong"), {{"name", 7}}).put();
    ndb::get_context().clear_cache();
    struct Row {
      std::function<void()> call;
      std::vector<std::string> says;
    };
    const std::vector<Row> rows = {
        {[] { Account::get_by_id("wrong"); }, {"Account", "name", "string", "wrong"}},
        {[] { ndb::key<Through>("x").get<Account>(); }, {"Through", "Account"}},
        {[] { ndb::Key("Account", ndb::Id()).get<Account>(); }, {"Account", "incomplete"}},
        {[] { ndb::Key("Account", ndb::Id()).delete_(); }, {"Account", "incomplete"}},
        {[] { ndb::Key().get<Account>(); }, {"key"}},
        {[] { Account().put(); }, {"empty handle"}},
        {[] { Account::make({.name = std::string(1501, 'x')}, ndb::id("long")).put(); }, {"Account", "name", "1500"}},
        {[] {
           ndb::Entity::make("Big", ndb::id("big"),
                             {{"a", ndb::Text(std::string(600'000, 'x'))}, {"b", ndb::Text(std::string(600'000, 'x'))}})
               .put();
         },
         {"Big"}},
        {[] { ndb::Entity::make("Other", ndb::id("o"), {{"__x__", 1}}).put(); }, {"__x__"}},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(i);
      try {
        rows[i].call();
        ADD_FAILURE() << "no error";
      } catch (const ndb::Error& error) {
        for (const std::string& word : rows[i].says) EXPECT_THAT(error.what(), HasSubstr(word));
      }
    }
    EXPECT_EQ(ndb::get_context().counts().commits, 1);  // the first one's; nothing else was sent
  });
}

}  // namespace
}  // namespace ndb::testing
