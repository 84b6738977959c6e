// map(): a function over all results, in tasklets whose calls are batched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
namespace wire = ndb::wire;

class Author : public ndb::Model<Author> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

class Book : public ndb::Model<Book> {
 public:
  struct Properties {
    std::int64_t n = 0;
    ndb::Key author{};
  };
  NDB_MODEL(n, author)
};

constexpr int kBooks = 100;

// A hundred books, each with an author of its own.
class Mapping : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      std::vector<Author> authors;
      std::vector<Book> books;
      for (int i = 1; i <= kBooks; ++i) {
        authors.push_back(Author::make({.name = "author " + std::to_string(i)}, ndb::id(i)));
        books.push_back(Book::make({.n = i, .author = authors.back().key()}, ndb::id(i)));
      }
      ndb::put_multi(authors);
      ndb::put_multi(books);
    });
  }
  static std::string author_of(const Book& book) { return book->author.get<Author>()->name; }
  static ndb::Query<Book> in_order() { return Book::query().order(Book::n); }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
};

// N + 1 calls in the code, 1 + 1 RPCs.
TEST_F(Mapping, AGetPerResultIsOneQueryAndOneBatchPerTier) {
  std::vector<std::string> names;
  const auto body = [&] { names = in_order().map(author_of); };

  ndb::TierCounts counts = in_new_context(client_, body);
  ASSERT_EQ(names.size(), kBooks);
  EXPECT_EQ(names.front(), "author 1");
  EXPECT_EQ(names.back(), "author 100");
  EXPECT_EQ(counts.queries, 1);
  EXPECT_EQ(counts.memcache_reads, 1);
  EXPECT_EQ(counts.memcache_hits, 0);
  EXPECT_EQ(counts.lookups, 1);
  EXPECT_EQ(counts.lookup_keys, kBooks);
  EXPECT_EQ(counts.memcache_fills, kBooks);

  counts = in_new_context(client_, body);  // now memcache knows the authors
  EXPECT_EQ(counts.queries, 1);
  EXPECT_EQ(counts.memcache_reads, 1);
  EXPECT_EQ(counts.memcache_hits, kBooks);
  EXPECT_EQ(counts.lookups, 0);

  counts = in_new_context(client_, [&] {
    body();
    body();  // now the context does
  });
  EXPECT_EQ(counts.queries, 2);
  EXPECT_EQ(counts.memcache_reads, 1);
}

TEST_F(Mapping, EachBatchOfResultsMakesOneBatchOfGets) {
  stub_->batch_size = 25;
  const auto counts = in_new_context(client_, [] { EXPECT_EQ(in_order().map(author_of).size(), kBooks); });
  EXPECT_EQ(counts.queries, 5);  // the fifth finds that there is nothing more
  EXPECT_LE(counts.lookups, 4);
  EXPECT_EQ(counts.lookup_keys, kBooks);
}

TEST_F(Mapping, TakesFunctionsOfEveryForm) {
  in_new_context(client_, [] {
    int calls = 0;
    in_order().map([&](const Book&) { ++calls; });  // gives nothing
    EXPECT_EQ(calls, kBooks);
    in_order().map([&](Book& book) { book.edit().n += 1000; }, 3);
    EXPECT_THAT(in_order().map([](Book book) { return book->n; }, 3), ElementsAre(1, 2, 3));
    EXPECT_THAT(in_order().limit(2).keys_only().map([](const ndb::Key& key) { return *key.integer_id(); }),
                ElementsAre(1, 2));
    EXPECT_THAT(in_order().limit(2).project(Book::n).map([](const auto& row) { return row[Book::n]; }),
                ElementsAre(1, 2));
    EXPECT_THAT(in_order().filter(Book::n < 3).map([](const Book& book) { return book->n % 2 == 0; }),
                ElementsAre(false, true));
    auto later = in_order().map_async(author_of, 2);
    EXPECT_THAT(std::move(later).get(), ElementsAre("author 1", "author 2"));
  });
}

TEST_F(Mapping, FunctionsMayWriteAndSeeTheTransactionTheyAreIn) {
  in_new_context(client_, [] {
    const auto add_one = [](Book& book) {
      book.edit().n += 1;
      book.put();
    };
    EXPECT_THROW(ndb::transaction([&] {
                   in_order().map(add_one, 5);
                   throw std::runtime_error("undo");
                 }),
                 std::runtime_error);
    EXPECT_EQ(in_order().get()->n, 1);
    ndb::transaction([&] { in_order().map(add_one, 5); });
    ndb::get_context().clear_cache();
    EXPECT_THAT(in_order().map([](const Book& book) { return book->n; }, 6), ElementsAre(2, 3, 4, 5, 6, 6));
  });
  const auto counts = in_new_context(client_, [] { in_order().map([](Book& book) { book.put(); }); });
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(counts.mutations, kBooks);
}

TEST_F(Mapping, TheFirstErrorInTheOrderOfTheResultsCounts) {
  in_new_context(client_, [&] {
    int ended = 0;
    try {
      in_order().map([&](const Book& book) {
        if (book->n == 7) ndb::sleep(std::chrono::milliseconds(1));  // fails last
        ++ended;
        if (book->n == 7 || book->n == 8) throw std::runtime_error("book " + std::to_string(book->n));
      });
      ADD_FAILURE();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "book 7");
    }
    EXPECT_EQ(ended, kBooks);

    // The query's own error is thrown after the function calls that were begun have ended.
    stub_->batch_size = 10;
    stub_->answer = [](const wire::RunQueryRequest& request) -> std::optional<absl::StatusOr<wire::RunQueryResponse>> {
      if (request.query().start_cursor().empty()) return std::nullopt;
      return absl::PermissionDeniedError("no more");
    };
    ended = 0;
    EXPECT_THROW(in_order().map([&](const Book& book) {
      author_of(book);
      ++ended;
    }),
                 ndb::Error);
    EXPECT_EQ(ended, 10);
  });
}

TEST_F(Mapping, MoreResultsThanTaskletsAtATime) {
  in_new_context(client_, [] {
    std::vector<ndb::Entity> many;
    for (int i = 1; i <= 1200; ++i) many.push_back(ndb::Entity::make("Row", ndb::id(i), {{"n", i}}));
    ndb::put_multi(many);
  });
  in_new_context(client_, [] {
    std::size_t running = 0, most = 0;
    const auto numbers = ndb::query("Row").order(ndb::Order("n", false)).map([&](const ndb::Entity& row) {
      most = std::max(most, ++running);
      ndb::get_context().memcache_get("wait");
      --running;
      return row["n"].as_int64();
    });
    ASSERT_EQ(numbers.size(), 1200u);
    EXPECT_EQ(numbers.back(), 1200);
    EXPECT_LE(most, ndb::kMapWidth);
    EXPECT_GT(most, 1u);
  });
}

}  // namespace
