// Writes that depend on what is stored: put_if and delete_if, one and many, insert_or_get; and the number of an
// attempt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "context/context_fixture.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConditionalWrites : public ContextTest {
 protected:
  // A change that the context of the test does not see.
  void change_elsewhere(std::string_view id) {
    std::thread([&] {
      in_new_context(client_, [&] {
        Account account = Account::get_by_id(id);
        account.edit().age += 100;
        account.put();
      });
    }).join();
  }
};

TEST_F(ConditionalWrites, DeletesOnlyTheVersionThatIsMeant) {
  store(keys(1));
  const ndb::Key key = keys(1).front();
  in_new_context(client_, [&] {
    const Account account = key.get<Account>();
    change_elsewhere("k0");
    try {
      key.delete_if(version_of(account));
      ADD_FAILURE() << "the entity has another version";
    } catch (const ConflictError& error) {
      EXPECT_THAT(error.what(), HasSubstr("delete_if of Key('Account', 'k0'"));
      EXPECT_THAT(error.what(), HasSubstr("not deleted: read the entity again"));
    }
    const Account newer = key.get<Account>();  // nothing serves what was deleted in vain
    EXPECT_EQ(newer->age, 100);
    key.delete_if(version_of(newer));
    EXPECT_FALSE(key.get<Account>());
    EXPECT_THROW(key.delete_if(version_of(newer)), ConflictError);  // there is none
    EXPECT_THROW(key.delete_if_async(version_of(newer)).get(), ConflictError);
  });
  in_new_context(client_, [&] { EXPECT_FALSE(key.get<Account>()); });
}

TEST_F(ConditionalWrites, WhatDeleteIfCannotCompareIsRefused) {
  in_new_context(client_, [] {
    const ndb::Key key = ndb::key<Account>("a");
    EXPECT_THROW(key.delete_if(0), BadArgumentError);
    EXPECT_THROW(key.delete_if(1, {.use_datastore = false}), BadArgumentError);
    EXPECT_THROW(ndb::Key("Account", ndb::Id()).delete_if(1), BadKeyError);
    EXPECT_THROW(ndb::transaction([&] { key.delete_if(1); }), BadRequestError);
  });
}

// Sent again, a delete that was applied would find a conflict with itself.
TEST_F(ConditionalWrites, DeleteIfIsNotSentTwice) {
  store(keys(1));
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    ++commits;
    return ScriptedStub::Verdict{absl::UnavailableError("the answer is lost"), true};
  };
  in_new_context(client, [&] {
    const ndb::Key key = keys(1).front();
    EXPECT_THROW(key.delete_if(version_of(key.get<Account>()), {.retries = 3}), Error);
    EXPECT_EQ(commits, 1);
    EXPECT_FALSE(key.get<Account>());
  });
}

TEST_F(ConditionalWrites, ManyPutsEachAtItsVersion) {
  store(keys(3));
  in_new_context(client_, [&] {
    std::vector<Account> accounts = ndb::get_multi<Account>(keys(3));
    accounts.push_back(Account::make({.name = "new"}, ndb::id("new")));
    accounts.push_back(Account::make({.name = "k0 again"}, ndb::id("k0")));  // not read: there must be none
    change_elsewhere("k1");
    for (Account& account : accounts) account.edit().age += 1;
    const auto results = ndb::try_put_multi_if(std::span(accounts).first(4));
    EXPECT_EQ(*results[0], keys(3)[0]);
    EXPECT_FALSE(results[1].ok());
    EXPECT_THAT(std::string(results[1].status().message()), HasSubstr("put_if of Key('Account', 'k1'"));
    EXPECT_TRUE(results[2].ok());
    EXPECT_TRUE(results[3].ok());
    EXPECT_EQ(Account::get_by_id("k1")->age, 100);
    EXPECT_EQ(Account::get_by_id("new")->age, 1);

    // The handles have their new versions, so the next round goes on from there.
    EXPECT_NO_THROW(ndb::put_multi_if(std::vector{accounts[0], accounts[2], accounts[3]}));
    EXPECT_THROW(ndb::put_multi_if(std::vector{accounts[4]}), ConflictError);
    EXPECT_THROW(ndb::transaction([&] { ndb::put_multi_if(accounts); }), BadRequestError);
  });
}

TEST_F(ConditionalWrites, InsertOrGetSaysWhichOfBothItWas) {
  in_new_context(client_, [&] {
    const auto [made, inserted] = Account::insert_or_get("a", {.name = "first"});
    EXPECT_TRUE(inserted);
    EXPECT_EQ(made->name, "first");
    const auto again = Account::insert_or_get("a", {.name = "second"});
    EXPECT_FALSE(again.inserted);
    EXPECT_EQ(again.entity->name, "first");
    EXPECT_TRUE(Account::insert_or_get("b", ndb::key<Account>("a")).inserted);  // below a parent
    EXPECT_FALSE(Account::insert_or_get("b", ndb::key<Account>("a")).inserted);
    EXPECT_TRUE(ndb::transaction([] { return Account::insert_or_get("c").inserted; }));
    auto fourth = Account::insert_or_get_async("d", {.name = "fourth"});
    auto fifth = Account::insert_or_get_async("d", ndb::key<Account>("a"));
    EXPECT_TRUE(fourth.get().inserted);
    EXPECT_TRUE(fifth.get().inserted);
    EXPECT_FALSE(Account::insert_or_get_async("d").get().inserted);
  });
  in_new_context(client_, [] { EXPECT_FALSE(Account::insert_or_get("c").inserted); });
}

TEST_F(ConditionalWrites, OfTwoInsertersOneInserts) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  bool first = true;
  stub->on_begin = [&](const auto&) {
    if (!std::exchange(first, false)) return;
    std::thread([&] {
      in_new_context(client_, [] { EXPECT_TRUE(Account::insert_or_get("a", {.name = "other"}).inserted); });
    }).join();
  };
  in_new_context(client, [] {
    const auto result = Account::insert_or_get("a", {.name = "mine"});
    EXPECT_FALSE(result.inserted);
    EXPECT_EQ(result.entity->name, "other");
  });
}

TEST_F(ConditionalWrites, AnAttemptHasANumber) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    return ++commits < 3 ? ScriptedStub::Verdict{absl::AbortedError("contention"), false} : ScriptedStub::Verdict{};
  };
  in_new_context(client, [] {
    EXPECT_EQ(ndb::transaction_attempt(), 0);
    std::vector<int> attempts;
    ndb::transaction([&] {
      Account::make({}, ndb::id("a")).put();
      attempts.push_back(ndb::transaction_attempt());
      ndb::transaction([&] { attempts.push_back(ndb::transaction_attempt()); },
                       {.propagation = ndb::Propagation::kAllowed});
      ndb::non_transactional([] { EXPECT_EQ(ndb::transaction_attempt(), 0); });
    });
    EXPECT_THAT(attempts, ElementsAre(1, 1, 2, 2, 3, 3));
    EXPECT_EQ(ndb::transaction_attempt(), 0);
  });
}

}  // namespace
}  // namespace ndb::testing
