// Results one by one and page by page: batches, prefetching, cursors, and what the context cache does meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace wire = ndb::wire;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
    std::string word{};
  };
  NDB_MODEL(n, word)
};

static_assert(std::ranges::input_range<const ndb::Query<Item>>);
static_assert(std::ranges::input_range<const ndb::Iteration<Item>>);
static_assert(std::ranges::input_range<const ndb::KeysOnly>);

// Items 1 to 10.
class Iterating : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      std::vector<Item> items;
      for (int i = 1; i <= 10; ++i) items.push_back(Item::make({.n = i, .word = std::to_string(i % 3)}, ndb::id(i)));
      ndb::put_multi(items);
    });
  }
  static ndb::Query<Item> in_order() { return Item::query().order(Item::n); }
  static std::vector<std::int64_t> numbers(const std::vector<Item>& items) {
    std::vector<std::int64_t> numbers;
    for (const Item& item : items) numbers.push_back(item->n);
    return numbers;
  }
  // Deletes it in this context only; the Datastore still has it.
  static void delete_here_only(int id) {
    ndb::get_context().set_datastore_policy([id](const ndb::Key& key) { return key.integer_id() != id; });
    ndb::key<Item>(id).delete_();
    ndb::get_context().set_datastore_policy(nullptr);
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
};

TEST_F(Iterating, AQueryIsARange) {
  stub_->batch_size = 3;
  in_new_context(client_, [] {
    std::vector<std::int64_t> numbers;
    for (Item item : in_order()) numbers.push_back(item->n);
    EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));

    numbers.clear();
    for (const Item& item : in_order().iterate(4, {.use_cache = false})) numbers.push_back(item->n);
    EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4));

    std::vector<ndb::Key> keys;
    for (const ndb::Key& key : in_order().limit(2).keys_only()) keys.push_back(key);
    EXPECT_THAT(keys, ElementsAre(ndb::key<Item>(1), ndb::key<Item>(2)));

    std::vector<std::string> words;
    for (const auto& row : in_order().project(Item::n, Item::word)) words.push_back(row[Item::word]);
    EXPECT_EQ(words.size(), 10u);

    auto odd = in_order() | std::views::filter([](const Item& item) { return item->n % 2 == 1; });
    EXPECT_EQ(std::ranges::distance(odd), 5);
    for (const Item& item : in_order().filter(Item::n > 10)) ADD_FAILURE() << item.key();
  });
}

TEST_F(Iterating, TheNextBatchIsUnderWayWhileOneIsUsed) {
  stub_->batch_size = 3;
  in_new_context(client_, [&] {
    auto items = in_order().iterate();
    EXPECT_EQ(stub_->requests.size(), 1u);  // sent when the iteration was made
    for (int n = 1; n <= 10; ++n) {
      ASSERT_TRUE(items.has_next());
      EXPECT_EQ(items.next()->n, n);
      EXPECT_EQ(stub_->requests.size(), std::min<std::size_t>(4, static_cast<std::size_t>((n + 2) / 3 + 1)));
    }
    EXPECT_FALSE(items.has_next());
    EXPECT_EQ(ndb::get_context().counts().queries, 4);
    EXPECT_THROW(items.next(), ndb::BadRequestError);

    // Neither beyond the limit, nor after the caller has stopped iterating.
    stub_->requests.clear();
    auto five = in_order().iterate(5);
    for (int n = 1; n <= 5; ++n) EXPECT_EQ(five.next()->n, n);
    EXPECT_FALSE(five.has_next());
    EXPECT_EQ(stub_->requests.size(), 2u);
    EXPECT_EQ(stub_->requests.back().query().limit().value(), 2);
    stub_->requests.clear();
    for (const Item& item : in_order()) {
      if (item->n == 2) break;
    }
    EXPECT_EQ(stub_->requests.size(), 2u);
  });
}

TEST_F(Iterating, TwoIterationsAndTaskletsGoOnSideBySide) {
  stub_->batch_size = 2;
  in_new_context(client_, [] {
    auto up = in_order().iterate();
    auto down = Item::query().order(-Item::n).iterate();
    for (int n = 1; n <= 10; ++n) {
      EXPECT_EQ(up.next()->n, n);
      EXPECT_EQ(down.next()->n, 11 - n);
    }
    const auto sum = [] {
      std::int64_t total = 0;
      for (const Item& item : in_order()) total += item->n;
      return total;
    };
    const auto one = ndb::tasklet(sum);
    const auto two = ndb::tasklet(sum);
    EXPECT_EQ(one.get() + two.get(), 110);

    auto shared = in_order().iterate();
    const auto first = ndb::tasklet([&] { return shared.has_next(); });
    const auto second = ndb::tasklet([&] { return shared.has_next(); });
    EXPECT_TRUE(first.get());
    EXPECT_THROW(second.get(), ndb::BadRequestError);
    EXPECT_EQ(shared.next()->n, 1);
  });
}

// A deletion between two steps also applies to results that have been fetched; the limit is filled nevertheless.
TEST_F(Iterating, TheLoopSeesWhatItsBodyDoes) {
  in_new_context(client_, [] {
    std::vector<std::int64_t> seen;
    for (const Item& item : in_order().iterate(5)) {
      seen.push_back(item->n);
      if (item->n == 2) {
        delete_here_only(3);
        Item four = Item::get_by_id(4);
        four.edit().word = "changed";
        four.put();
      }
      if (item->n == 4) {
        EXPECT_EQ(item->word, "changed");
      }
    }
    EXPECT_THAT(seen, ElementsAre(1, 2, 4, 5, 6));
  });
}

TEST_F(Iterating, Cursors) {
  in_new_context(client_, [] {
    auto items = in_order().iterate();
    EXPECT_FALSE(items.cursor_after());
    for (int n = 1; n <= 4; ++n) items.next();
    const ndb::Cursor behind_three = items.cursor_before();
    const ndb::Cursor behind_four = items.cursor_after();
    EXPECT_THAT(numbers(in_order().start_cursor(behind_four).fetch(2)), ElementsAre(5, 6));
    EXPECT_THAT(numbers(in_order().end_cursor(behind_three).fetch()), ElementsAre(1, 2, 3));
    EXPECT_THAT(numbers(in_order().start_cursor(behind_three).end_cursor(behind_four).fetch()), ElementsAre(4));
    EXPECT_EQ(in_order().start_cursor(behind_three).iterate().cursor_after(), behind_three);

    const ndb::Cursor again = ndb::Cursor::from_urlsafe(behind_four.urlsafe());
    EXPECT_EQ(again, behind_four);
    EXPECT_EQ(in_order().start_cursor(again).get()->n, 5);
    EXPECT_THROW(ndb::Cursor::from_urlsafe("not base64!"), ndb::BadArgumentError);
    EXPECT_THROW(Item::query().order(Item::word).start_cursor(again).fetch(), ndb::Error);  // of another query
    EXPECT_THROW(in_order().start_cursor(ndb::Cursor::from_bytes("junk")).fetch(), ndb::Error);
  });
}

TEST_F(Iterating, Pages) {
  for (const int batch_size : {0, 1, 4}) {
    stub_->batch_size = batch_size;
    in_new_context(client_, [] {
      ndb::Cursor cursor;
      std::vector<std::vector<std::int64_t>> pages;
      for (bool go_on = true; go_on;) {
        auto page = in_order().offset(1).limit(2).fetch_page(3, cursor);  // the limit does not count, the offset once
        pages.push_back(numbers(page.results));
        cursor = ndb::Cursor::from_urlsafe(page.cursor.urlsafe());
        go_on = page.more;
      }
      // 9 results: `more` is false on the last full page already.
      EXPECT_THAT(pages, ElementsAre(ElementsAre(2, 3, 4), ElementsAre(5, 6, 7), ElementsAre(8, 9, 10)));

      // What comes later is found from the last cursor on.
      Item::make({.n = 11}, ndb::id(11)).put();
      const auto [results, behind, more] = in_order().fetch_page(3, cursor);
      EXPECT_THAT(numbers(results), ElementsAre(11));
      EXPECT_FALSE(more);
      const auto none = in_order().fetch_page(3, behind);
      EXPECT_THAT(none.results, IsEmpty());
      EXPECT_EQ(none.cursor, behind);
      ndb::key<Item>(11).delete_();

      delete_here_only(3);
      const auto filled = in_order().fetch_page(3);
      EXPECT_THAT(numbers(filled.results), ElementsAre(1, 2, 4));
      EXPECT_TRUE(filled.more);
      EXPECT_THAT(in_order().keys_only().fetch_page(2).results, ElementsAre(ndb::key<Item>(1), ndb::key<Item>(2)));
      EXPECT_FALSE(in_order().fetch_page(SIZE_MAX).more);
    });
  }
}

TEST_F(Iterating, OffsetsAreCountedOnceOverAllBatches) {
  stub_->batch_size = 2;
  in_new_context(client_, [&] {
    EXPECT_THAT(numbers(in_order().offset(7).fetch()), ElementsAre(8, 9, 10));
    EXPECT_THAT(in_order().offset(20).fetch(), IsEmpty());
    // A Datastore that skips a few results per batch, and returns none meanwhile.
    std::vector<ndb::Cursor> cursors(1);
    std::size_t skips = 0;
    stub_->answer = [&](const wire::RunQueryRequest& request) -> std::optional<absl::StatusOr<wire::RunQueryResponse>> {
      if (request.query().offset() < 4) return std::nullopt;
      wire::RunQueryResponse response;
      response.mutable_batch()->set_more_results(wire::QueryResultBatch::NOT_FINISHED);
      response.mutable_batch()->set_skipped_results(3);
      response.mutable_batch()->set_end_cursor(cursors.at(++skips * 3).bytes());
      return response;
    };
    auto items = in_order().iterate();
    while (items.has_next()) {
      items.next();
      cursors.push_back(items.cursor_after());
    }
    EXPECT_THAT(numbers(in_order().offset(8).fetch(1)), ElementsAre(9));
    EXPECT_EQ(skips, 2);
    EXPECT_THROW(in_order().offset(std::size_t{1} << 31).fetch(), ndb::BadQueryError);
  });
}

TEST_F(Iterating, AnErrorBetweenBatchesComesWhenItsTurnIs) {
  stub_->batch_size = 3;
  in_new_context(client_, [&] {
    stub_->answer = [](const wire::RunQueryRequest& request) -> std::optional<absl::StatusOr<wire::RunQueryResponse>> {
      if (request.query().start_cursor().empty()) return std::nullopt;
      return absl::PermissionDeniedError("no more");
    };
    auto items = in_order().iterate();
    for (int n = 1; n <= 3; ++n) EXPECT_EQ(items.next()->n, n);
    for (int i = 0; i < 2; ++i) {  // and again
      try {
        items.has_next();
        ADD_FAILURE();
      } catch (const ndb::Error& error) {
        EXPECT_EQ(error.status().code(), absl::StatusCode::kPermissionDenied);
        EXPECT_THAT(error.what(), HasSubstr("query of kind \"Item\""));
      }
    }
    // The query ends before the error.
    EXPECT_EQ(in_order().fetch(3).size(), 3u);
    EXPECT_EQ(in_order().get()->n, 1);
    EXPECT_THROW(in_order().fetch(4), ndb::Error);
  });
}

TEST_F(Iterating, ADatastoreThatDoesNotSayHowToGoOnIsAnErrorAndNoLoop) {
  in_new_context(client_, [&] {
    stub_->answer = [](const auto&) -> std::optional<absl::StatusOr<wire::RunQueryResponse>> {
      wire::RunQueryResponse response;
      response.mutable_batch()->set_more_results(wire::QueryResultBatch::NOT_FINISHED);
      return response;
    };
    try {
      in_order().fetch();
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kInternal);
    }
  });
}

TEST_F(Iterating, ItBelongsToTheContextItWasStartedIn) {
  stub_->batch_size = 2;
  in_new_context(client_, [] {
    // An iteration that was begun outside of a transaction continues in it, but not as a part of it.
    auto outside = in_order().iterate();
    std::optional<ndb::Iteration<Item>> inside;
    ndb::transaction([&] {
      EXPECT_EQ(outside.next()->n, 1);
      EXPECT_EQ(ndb::get_context().cache_size(), 0);
      inside.emplace(in_order().iterate());
      EXPECT_EQ(inside->next()->n, 1);
      EXPECT_EQ(ndb::get_context().cache_size(), 1);
    });
    EXPECT_THROW(inside->has_next(), ndb::ContextError);
    EXPECT_EQ(outside.next()->n, 2);
    std::thread([&] { EXPECT_THROW(outside.has_next(), ndb::ContextError); }).join();
  });
}

TEST_F(Iterating, AsyncFormsRunSideBySide) {
  const auto counts = in_new_context(client_, [&] {
    const auto all = in_order().fetch_async();
    const auto some = in_order().fetch_async(2);
    const auto page = in_order().fetch_page_async(2);
    const auto first = in_order().get_async();
    const auto keys = in_order().keys_async(1);
    const auto rows = in_order().project(Item::n).fetch_async(1);
    const auto none = in_order().filter(Item::n > 10).get_async();
    EXPECT_EQ(stub_->requests.size(), 0u);
    EXPECT_EQ(all.get().size(), 10u);
    EXPECT_EQ(stub_->requests.size(), 7u);  // all were sent before the first answer was used
    EXPECT_THAT(numbers(some.get()), ElementsAre(1, 2));
    EXPECT_THAT(numbers(page.get().results), ElementsAre(1, 2));
    EXPECT_EQ(first.get()->n, 1);
    EXPECT_THAT(keys.get(), ElementsAre(ndb::key<Item>(1)));
    EXPECT_EQ(rows.get().front()[Item::n], 1);
    EXPECT_FALSE(none.get());
    const auto bad = ndb::query("Item").filter(ndb::Filter("", ndb::Op::kEqual, 1)).fetch_async();
    EXPECT_THROW(bad.get(), ndb::BadFilterError);
    EXPECT_EQ(bad.try_get().status().code(), absl::StatusCode::kInvalidArgument);
  });
  EXPECT_EQ(counts.queries, 7);
}

}  // namespace
