// Threads and their contexts: threads without a scope, threads that end, scopes that end elsewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/tiers.h"

namespace {

using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class ThreadsTest : public Tiers {
 protected:
  ~ThreadsTest() override {
    ndb::set_default_client(std::nullopt);
    ndb::set_log_sink(nullptr);
  }

  // The ids of the entities that the Datastore has, of those asked for.
  std::vector<std::string> stored(const std::vector<std::string>& ids) const {
    std::vector<std::string> found;
    in_new_context(client_, [&] {
      for (const std::string& id : ids) {
        if (Note::get_by_id(id, {.use_memcache = false})) found.push_back(id);
      }
    });
    return found;
  }

  void keep_log() {
    ndb::set_log_sink([this](ndb::Severity, std::string_view message) { logged_.emplace_back(message); });
  }

  const ndb::Client client_ = client();
  std::vector<std::string> logged_;
};

// A scope that is the member of an object.
struct Held {
  explicit Held(const ndb::Client& client) : scope(client.context()) {}
  ndb::ContextScope scope;
};

Note note(const std::string& id, std::int64_t n = 0) { return Note::make({.n = n}, ndb::id(id)); }

// ---- Without a scope ----

// As in a pool: nobody waits for the futures, and the thread does nothing afterwards that would send anything.
TEST_F(ThreadsTest, AnAsyncWriteWithoutAScopeEndsWithItsCall) {
  ndb::set_default_client(client_);
  note("deleted").put();
  note("also deleted").put();
  std::latch idle(1), checked(1);
  std::thread pool([&] {
    note("one").put_async();
    note("twice", 1).put_async();
    note("twice", 2).put_async();
    note("first id, then put").put_async({.allocate_first = true});
    ndb::key<Note>("deleted").delete_async();
    std::vector<Note> many{note("a"), note("b"), note("c")};
    const std::uint64_t commits = ndb::get_context().counts().commits;
    ndb::put_multi_async(many);
    EXPECT_EQ(ndb::get_context().counts().commits, commits + 1) << "a multi form is one call";
    ndb::delete_multi_async(std::vector{ndb::key<Note>("also deleted")});
    Note::get_or_insert_async("inserted", {.n = 1});
    ndb::tasklet([] { note("in a tasklet").put_async(); }).get();
    ndb::get_context().memcache_set_async("raw of " + client_.project(), "set");
    idle.count_down();
    checked.wait();
  });
  idle.wait();
  EXPECT_THAT(stored({"one", "twice", "first id, then put", "deleted", "a", "b", "c", "also deleted", "inserted",
                      "in a tasklet"}),
              ElementsAre("one", "twice", "first id, then put", "a", "b", "c", "inserted", "in a tasklet"));
  in_new_context(client_, [&] {
    EXPECT_EQ(Note::get_by_id("twice", {.use_memcache = false})->n, 2);
    EXPECT_EQ(ndb::get_context().memcache_get("raw of " + client_.project()), "set");
  });
  checked.count_down();
  pool.join();
}

TEST_F(ThreadsTest, ReadsWithoutAScopeAreStillBatched) {
  ndb::set_default_client(client_);
  const ndb::TierCounts& counts = ndb::get_context().counts();
  const ndb::Future<Note> a = Note::get_by_id_async("a"), b = Note::get_by_id_async("b");
  EXPECT_FALSE(a.done());
  EXPECT_FALSE(a.get());
  EXPECT_FALSE(b.get());
  EXPECT_EQ(counts.lookups, 1u);
}

TEST_F(ThreadsTest, AnUnreportedErrorOfAWriteIsLogged) {
  ndb::set_default_client(client_);
  keep_log();
  note("x").put_async({.retries = -1});
  ndb::key<Note>("x").delete_async({.retries = -1});
  EXPECT_THAT(logged_, ElementsAre(HasSubstr("retries"), HasSubstr("retries")));
  logged_.clear();
  {
    const ndb::Future<ndb::Key> kept = note("x").put_async({.retries = -1});
    EXPECT_TRUE(kept.done());
    EXPECT_THROW(kept.get(), ndb::BadArgumentError);
  }
  EXPECT_THAT(logged_, IsEmpty());
}

// In a scope, flush() or close() would report the first one only.
TEST_F(ThreadsTest, TheSecondUnreportedErrorIsLogged) {
  keep_log();
  auto scope = client_.context();
  for (int i = 0; i < 2; ++i) note("x").put_async({.retries = -1});
  EXPECT_THROW(scope->flush(), ndb::BadArgumentError);
  EXPECT_THAT(logged_, ElementsAre(HasSubstr("retries")));
  {
    const ndb::Future<ndb::Key> kept = note("x").put_async({.retries = -1}), waited = (kept.wait(), kept);
  }
  EXPECT_THAT(logged_, ::testing::SizeIs(2)) << "waited for, and nobody looked";
}

// Otherwise it would apply to whatever the thread does next.
TEST_F(ThreadsTest, SettingsNeedAScope) {
  ndb::set_default_client(client_);
  ndb::Context& context = ndb::get_context();
  EXPECT_THROW(context.set_datastore_policy(false), ndb::ContextError);
  EXPECT_THROW(context.set_memcache_policy(false), ndb::ContextError);
  EXPECT_THROW(context.set_cache_policy(false), ndb::ContextError);
  EXPECT_THROW(context.set_shared_cache_policy(true), ndb::ContextError);
  EXPECT_THROW(context.set_memcache_timeout_policy(10), ndb::ContextError);
  EXPECT_THROW(context.set_cache_limit(1), ndb::ContextError);
  note("kept").put();
  EXPECT_THAT(stored({"kept"}), ElementsAre("kept"));
  ndb::transaction([] { ndb::get_context().set_cache_limit(10); });  // ends with the transaction
}

TEST_F(ThreadsTest, AContextKeptOverAnotherDefaultClientIsAnError) {
  ndb::set_default_client(client_);
  ndb::Context& context = ndb::get_context();
  const ndb::Future<Note> pending = Note::get_by_id_async("a");
  ndb::set_default_client(client());
  EXPECT_THROW(context.clear_cache(), ndb::ContextError);
  EXPECT_THROW(context.memcache_get("a"), ndb::ContextError);
  EXPECT_FALSE(Note::get_by_id("a"));  // in the other client's context
  EXPECT_FALSE(pending.get());         // in the former one's
  ndb::set_default_client(std::nullopt);
  EXPECT_THROW(context.flush(), ndb::ContextError);
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
}

// The context of a call lasts as long as the call is in flight.
TEST_F(ThreadsTest, TheDefaultClientMayChangeDuringACall) {
  ndb::set_default_client(client_);
  auto change = ndb::tasklet([&] {
    ndb::set_default_client(client());
    ndb::get_context().clear_cache();
  });
  note("during").put();
  change.get();
  EXPECT_THAT(stored({"during"}), ElementsAre("during"));
}

// ---- The end of a thread ----

TEST_F(ThreadsTest, AScopeThatOutlivesTheLoopOfItsThreadIsEndedWithIt) {
  keep_log();
  std::thread([this] {
    thread_local std::unique_ptr<Held> first;  // destroyed after the loop, which is made below
    first = std::make_unique<Held>(client_);
    note("thread_local").put_async();
    Note::get_or_insert_async("in the background", {.n = 1});
  }).join();
  Held* leaked = nullptr;
  std::thread([&] {
    leaked = std::make_unique<Held>(client_).release();
    note("leaked").put_async();
    note("leaked").put_async();
  }).join();
  EXPECT_THAT(stored({"thread_local", "in the background", "leaked"}),
              ElementsAre("thread_local", "in the background", "leaked"));
  const std::unique_ptr<Held> found(leaked);  // whose thread is gone
  EXPECT_THAT(logged_, IsEmpty());
}

TEST_F(ThreadsTest, AnErrorAtTheEndOfAThreadIsLogged) {
  keep_log();
  Held* leaked = nullptr;
  std::thread([&] {
    leaked = std::make_unique<Held>(client_).release();
    note("x").put_async({.retries = -1});
  }).join();
  const std::unique_ptr<Held> found(leaked);
  EXPECT_THAT(logged_, ElementsAre(HasSubstr("retries")));
}

using ThreadsDeathTest = ThreadsTest;

// The loop of the main thread ends before static objects do.
TEST_F(ThreadsDeathTest, AStaticScopeIsFlushedByExit) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  static const ndb::Client* const client = &client_;
  EXPECT_EXIT(
      {
        std::atexit([] {
          auto scope = client->context();
          _exit(Note::get_by_id("static") ? 7 : 1);
        });
        static auto scope = client_.context();
        note("static").put_async();
        std::exit(2);
      },
      ::testing::ExitedWithCode(7), "^$");
}

// The loop can no longer be run there; the loss is logged.
TEST_F(ThreadsDeathTest, ExitInATaskletLogsWhatIsLost) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::atexit([] { _exit(7); });
        auto scope = client_.context();
        ndb::tasklet([] {
          note("lost").put_async();
          std::exit(1);
        }).get();
      },
      ::testing::ExitedWithCode(7), "a thread ended while .* whether their writes were made is unknown");
}

// ---- Scopes that end on another thread ----

TEST_F(ThreadsTest, AScopeDestroyedElsewhereEndsWhereItWasOpened) {
  keep_log();
  auto held = std::make_unique<Held>(client_);
  note("pending").put_async();
  std::thread([&] { held.reset(); }).join();
  EXPECT_THAT(logged_, ElementsAre(HasSubstr("another thread")));
  for (int i = 0; i < 2; ++i) {
    auto next = client_.context();
    EXPECT_TRUE(Note::get_by_id("pending", {.use_memcache = false}));
  }
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
}

// It is still the current one, and still there to be ended, when the scope around it ends.
TEST_F(ThreadsTest, AnInnerScopeDestroyedElsewhereEndsBeforeTheOuterOneDoes) {
  keep_log();
  auto outer = client_.context();
  auto inner = std::make_unique<Held>(client_);
  note("pending").put_async();
  std::thread([inner = std::move(inner)] {}).join();
  EXPECT_THAT(logged_, ElementsAre(HasSubstr("another thread")));
  outer.close();
  EXPECT_THAT(stored({"pending"}), ElementsAre("pending"));
  EXPECT_THROW(ndb::get_context(), ndb::ContextError);
}

TEST_F(ThreadsTest, OpenScopesAreFlushedWhenTheirThreadEndsWhereverTheyWereOpened) {
  keep_log();
  std::vector<Held*> leaked;
  const auto leak = [&](const std::string& id) {
    leaked.push_back(std::make_unique<Held>(client_).release());
    note(id).put_async();
  };
  std::thread([&] {
    leak("outer");
    leak("inner");
    ndb::tasklet([&] { leak("in a tasklet"); }).get();
    ndb::transaction([&] { leak("in a transaction"); });
  }).join();
  EXPECT_THAT(stored({"outer", "inner", "in a tasklet", "in a transaction"}),
              ElementsAre("outer", "inner", "in a tasklet", "in a transaction"));
  EXPECT_THAT(logged_, IsEmpty());
  for (Held* const one : leaked) const std::unique_ptr<Held> found(one);
}

TEST_F(ThreadsTest, CloseOnAnotherThreadIsAnErrorAndTheScopeGoesOn) {
  auto scope = client_.context();
  std::thread([&] { EXPECT_THROW(scope.close(), ndb::ContextError); }).join();
  EXPECT_FALSE(Note::get_by_id("nothing"));
  scope.close();
  const auto next = client_.context();
}

}  // namespace
