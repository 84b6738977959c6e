// How results of queries meet the context cache, rule by rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;

class Task : public ndb::Model<Task> {
 public:
  struct Properties {
    std::int64_t n = 0;
    std::string state = "open";
  };
  NDB_MODEL(n, state)
};

class Uncached : public ndb::Model<Uncached> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_cache = false;
};

// Tasks 1 to 6.
class CacheRules : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      std::vector<Task> tasks;
      for (int i = 1; i <= 6; ++i) tasks.push_back(Task::make({.n = i}, ndb::id(i)));
      ndb::put_multi(tasks);
      Uncached::make({.n = 1}, ndb::id(1)).put();
    });
  }
  static ndb::Query<Task> in_order() { return Task::query().order(Task::n); }
  static std::vector<std::int64_t> numbers(const std::vector<Task>& tasks) {
    std::vector<std::int64_t> numbers;
    for (const Task& task : tasks) numbers.push_back(task->n);
    return numbers;
  }
  // Changes of this context that the Datastore does not hear of.
  static void here_only(const std::function<void()>& change) {
    ndb::get_context().set_datastore_policy(false);
    change();
    ndb::get_context().set_datastore_policy(nullptr);
  }
  static void delete_here(std::initializer_list<int> ids) {
    here_only([&] {
      for (const int id : ids) ndb::key<Task>(id).delete_();
    });
  }
  void elsewhere(const std::function<void()>& body) {
    std::thread([&] { in_new_context(client(), body); }).join();
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
};

TEST_F(CacheRules, KeysProjectionsAndAggregationsAreUntouched) {
  in_new_context(client_, [] {
    delete_here({2});
    here_only([] { Task::make({.n = 30}, ndb::id(3)).put(); });
    const std::size_t slots = ndb::get_context().cache_size();
    EXPECT_EQ(in_order().keys().size(), 6u);
    EXPECT_EQ(in_order().project(Task::n).fetch()[1][Task::n], 2);
    EXPECT_EQ(in_order().project(Task::n).fetch()[2][Task::n], 3);
    EXPECT_EQ(ndb::query("Task").project({"n"}).fetch().size(), 6u);
    EXPECT_EQ(Task::query().count(), 6);
    EXPECT_EQ(Task::query().sum(Task::n), 21);
    EXPECT_EQ(ndb::get_context().cache_size(), slots);
  });
}

TEST_F(CacheRules, ResultsKnownToBeAbsentAreDropped) {
  in_new_context(client_, [&] {
    delete_here({1, 4});
    EXPECT_THAT(numbers(in_order().fetch()), ElementsAre(2, 3, 5, 6));
    EXPECT_EQ(in_order().get()->n, 2);
    // However the absence came to be known: here by a get, before another program created the entity.
    EXPECT_FALSE(Task::get_by_id(7));
    elsewhere([] { Task::make({.n = 7}, ndb::id(7)).put(); });
    EXPECT_THAT(numbers(in_order().fetch()), ElementsAre(2, 3, 5, 6));
    EXPECT_THAT(numbers(in_order().fetch(9, {.use_cache = false})), ElementsAre(1, 2, 3, 4, 5, 6, 7));
    ndb::get_context().clear_cache();
    EXPECT_THAT(numbers(in_order().fetch()), ElementsAre(1, 2, 3, 4, 5, 6, 7));
  });
}

TEST_F(CacheRules, DroppedResultsAreReplacedUpToTheLimit) {
  for (const int batch_size : {0, 1, 2, 3}) {
    SCOPED_TRACE(batch_size);
    stub_->batch_size = batch_size;
    in_new_context(client_, [&] {
      delete_here({1, 2, 4});
      EXPECT_THAT(numbers(in_order().fetch(1)), ElementsAre(3));
      EXPECT_THAT(numbers(in_order().fetch(2)), ElementsAre(3, 5));
      EXPECT_THAT(numbers(in_order().fetch(3)), ElementsAre(3, 5, 6));
      EXPECT_THAT(numbers(in_order().fetch(4)), ElementsAre(3, 5, 6));
      EXPECT_THAT(numbers(in_order().limit(2).fetch()), ElementsAre(3, 5));
      // An offset counts the results of the Datastore.
      EXPECT_THAT(numbers(in_order().offset(3).fetch(2)), ElementsAre(5, 6));
      EXPECT_EQ(in_order().get()->n, 3);
      std::vector<std::int64_t> seen;
      for (const Task& task : in_order().limit(2)) seen.push_back(task->n);
      EXPECT_THAT(seen, ElementsAre(3, 5));
      EXPECT_THAT(in_order().map([](const Task& task) { return task->n; }, 2), ElementsAre(3, 5));
      const auto page = in_order().fetch_page(2);
      EXPECT_THAT(numbers(page.results), ElementsAre(3, 5));
      EXPECT_TRUE(page.more);
      EXPECT_THAT(numbers(in_order().fetch_page(2, page.cursor).results), ElementsAre(6));
      delete_here({3, 5, 6});
      EXPECT_FALSE(in_order().get());
      EXPECT_FALSE(in_order().fetch_page(2).more);
    });
  }
}

TEST_F(CacheRules, CachedEntitiesReplaceResults) {
  in_new_context(client_, [&] {
    const Task two = Task::get_by_id(2);
    elsewhere([] { Task::make({.n = 2, .state = "done"}, ndb::id(2)).put(); });
    here_only([] { Task::make({.n = 3, .state = "mine"}, ndb::id(3)).put(); });
    const auto tasks = in_order().fetch();
    EXPECT_EQ(tasks[1]->state, "open");  // older than the Datastore's
    EXPECT_EQ(&tasks[1]->state, &two->state);
    EXPECT_EQ(tasks[2]->state, "mine");
    // Even if it does not match the filter.
    EXPECT_EQ(Task::query(Task::state == "done").get()->state, "open");
    EXPECT_FALSE(Task::query(Task::state == "mine").get());
    // In the class that is asked for.
    const ndb::Entity entity = ndb::query("Task").order(ndb::Order("n", false)).fetch()[2];
    EXPECT_EQ(entity["state"].as_string(), "mine");
    EXPECT_EQ(in_order().fetch()[2]->state, "mine");
  });
}

TEST_F(CacheRules, AnyOtherResultFillsItsSlot) {
  const auto counts = in_new_context(client_, [] {
    const auto tasks = in_order().fetch();
    EXPECT_EQ(ndb::get_context().cache_size(), 6u);
    const Task two = Task::get_by_id(2);
    EXPECT_EQ(&two->n, &tasks[1]->n);
    EXPECT_EQ(ndb::version_of(two), ndb::version_of(tasks[1]));
    EXPECT_NE(ndb::version_of(two), 0u);
    // A handle that is edited is not the slot's.
    Task mine = in_order().get();
    mine.edit().state = "edited";
    EXPECT_EQ(in_order().get()->state, "open");
  });
  EXPECT_EQ(counts.lookups, 0);
  EXPECT_EQ(counts.memcache_reads, 0);
}

TEST_F(CacheRules, ThePolicyAndTheOptionDecide) {
  in_new_context(client_, [] {
    ndb::Context& context = ndb::get_context();
    in_order().fetch(6, {.use_cache = false});
    EXPECT_EQ(context.cache_size(), 0u);
    context.set_cache_policy([](const ndb::Key& key) { return key.integer_id() == 3; });
    in_order().fetch();
    EXPECT_EQ(context.cache_size(), 1u);
    in_order().fetch(6, {.use_cache = true});  // the option comes before the policy
    EXPECT_EQ(context.cache_size(), 6u);
    context.clear_cache();
    context.set_cache_policy(nullptr);
    Uncached::query().fetch();  // the class
    ndb::query("Uncached").fetch();
    EXPECT_EQ(context.cache_size(), 0u);
    Uncached::query().fetch(1, {.use_cache = true});
    EXPECT_EQ(context.cache_size(), 1u);
    // Entries that the policy hides neither drop results nor replace them.
    delete_here({1});
    context.set_cache_policy(false);
    EXPECT_EQ(in_order().get()->n, 1);
    context.set_cache_policy(nullptr);
    EXPECT_EQ(in_order().get()->n, 2);
    context.set_cache_limit(2);
    EXPECT_EQ(in_order().fetch().size(), 5u);
    EXPECT_EQ(context.cache_size(), 2u);
  });
}

TEST_F(CacheRules, MemcacheIsNeitherReadNorFilled) {
  const auto all_forms = [] {
    in_order().fetch();
    in_order().keys();
    for (const Task& task : in_order()) EXPECT_TRUE(task);
    in_order().map([](const Task&) {});
    Task::query().count();
    ndb::gql<Task>("SELECT * FROM Task").fetch();
  };
  const auto counts = in_new_context(client_, all_forms);
  EXPECT_EQ(counts.memcache_reads + counts.memcache_fills + counts.memcache_hits, 0);
  EXPECT_EQ(counts.queries, 6);
  EXPECT_EQ(in_new_context(client_, [] { Task::get_by_id(1); }).memcache_hits, 0);
}

TEST_F(CacheRules, ATransactionsOwnWritesCountInItAlone) {
  in_new_context(client_, [&] {
    in_order().fetch();
    ndb::transaction([] {
      EXPECT_EQ(ndb::get_context().cache_size(), 0u);
      ndb::key<Task>(1).delete_();
      Task two = Task::get_by_id(2);
      two.edit().state = "done";
      two.put();
      Task::make({.n = 0}, ndb::id(10)).put();
      EXPECT_THAT(numbers(in_order().fetch(2)), ElementsAre(2, 3));  // the new one is not committed yet
      EXPECT_EQ(in_order().get()->state, "done");
      ndb::non_transactional([] { EXPECT_EQ(in_order().get()->n, 1); });
      ndb::transaction([] { EXPECT_EQ(in_order().get()->n, 1); }, {.propagation = ndb::Propagation::kIndependent});
      throw ndb::Rollback("");
    });
    EXPECT_EQ(in_order().get()->n, 1);
    EXPECT_EQ(in_order().fetch()[1]->state, "open");
    ndb::transaction([] { ndb::key<Task>(1).delete_(); });
    EXPECT_EQ(in_order().get()->n, 2);
  });
}

// A result that is returned late is compared with what has happened since its batch arrived.
TEST_F(CacheRules, TheCacheIsAskedWhenTheResultIsGiven) {
  in_new_context(client_, [&] {
    auto tasks = in_order().iterate();
    EXPECT_EQ(tasks.next()->n, 1);  // the batch is here
    delete_here({2});
    here_only([] { Task::make({.n = 3, .state = "mine"}, ndb::id(3)).put(); });
    const Task next = tasks.next();
    EXPECT_EQ(next->n, 3);
    EXPECT_EQ(next->state, "mine");
    // The batch is older than what this context has written since, and does not replace it.
    Task four = Task::get_by_id(4);
    four.edit().state = "newer";
    four.put();
    EXPECT_EQ(tasks.next()->state, "newer");
    EXPECT_EQ(Task::get_by_id(4)->state, "newer");
    EXPECT_EQ(stub_->requests.size(), 1u);
  });
}

}  // namespace
