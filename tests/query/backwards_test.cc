// Pages backwards, against the list that the query gives forwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::Cursor;
using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Spot {
  std::int64_t row = 0;
  std::vector<std::int64_t> seats{};
  NDB_PROPERTIES(Spot, row, seats)
};

class Shot : public ndb::Model<Shot> {
 public:
  struct Properties {
    std::int64_t a = 0;
    std::optional<std::int64_t> b{};
    std::vector<std::string> tags{};
    Spot spot{};
  };
  NDB_MODEL(a, b, tags, spot)
};

class Backwards : public Tiers {
 protected:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void make_shots(int n) {
    in_new_context(client_, [&] {
      std::vector<Shot> shots;
      for (int i = 1; i <= n; ++i) {
        Shot shot = Shot::make({.a = below(4), .b = below(4), .tags = {"all"}, .spot = {.row = below(3)}}, ndb::id(i));
        if (below(5) == 0) shot.edit().b.reset();
        if (below(2) == 0) shot.edit().tags.push_back("some");
        shots.push_back(shot);
      }
      ndb::put_multi(shots);
    });
  }

  template <class Row>
  static std::vector<std::int64_t> ids(const std::vector<Row>& rows) {
    std::vector<std::int64_t> ids;
    for (const auto& row : rows) ids.push_back(*row.key().integer_id());
    return ids;
  }

  template <class Call>
  static std::string refusal(const Call& call) {
    try {
      call();
    } catch (const ndb::BadQueryError& error) {
      return error.what();
    }
    return "it was not refused";
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
  std::mt19937 random_{std::random_device{}()};
};

TEST_F(Backwards, PagesBackwardsAreThoseInFrontOfACursor) {
  in_new_context(client_, [] {
    for (int i = 1; i <= 7; ++i) Shot::make({.a = i / 3}, ndb::id(i)).put();
    const auto query = Shot::query().order(-Shot::a, Shot::_key);  // 6 7 3 4 5 1 2
    const auto first = query.fetch_page(3);
    const auto second = query.fetch_page(3, first.cursor);
    EXPECT_THAT(ids(second.results), ElementsAre(4, 5, 1));

    const auto back = query.fetch_page_before(2, first.cursor);
    EXPECT_THAT(ids(back.results), ElementsAre(7, 3));
    EXPECT_TRUE(back.more);
    const auto start = query.fetch_page_before_async(2, back.cursor).get();
    EXPECT_THAT(ids(start.results), ElementsAre(6));
    EXPECT_FALSE(start.more);
    EXPECT_THAT(query.fetch_page_before(2, start.cursor).results, IsEmpty());

    EXPECT_THAT(ids(query.fetch_page(3, back.cursor).results), ElementsAre(7, 3, 4));  // the far end leads back
    const auto last = query.fetch_page_before(3, Cursor());
    EXPECT_THAT(ids(last.results), ElementsAre(5, 1, 2));
    EXPECT_TRUE(last.more);
    EXPECT_THAT(query.keys_only().fetch_page_before(2, last.cursor).results,
                ElementsAre(ndb::key<Shot>(3), ndb::key<Shot>(4)));
  });
}

// A random walk of pages to and fro over random queries, whose place in the list is known.
TEST_F(Backwards, ARandomWalkAgreesWithTheList) {
  make_shots(40);
  const auto all = Shot::query();
  const std::vector<ndb::Query<Shot>> queries = {
      all,
      all.order(Shot::_key),
      all.order(-Shot::_key),
      all.order(Shot::a, Shot::_key),
      all.order(-Shot::a, Shot::b, Shot::_key),
      all.order(Shot::b, -Shot::a, -Shot::_key),
      all.order(Shot::spot.row, Shot::_key),
      Shot::query(Shot::tags == "some"),
      Shot::query(Shot::tags == "some", Shot::a >= 1).order(Shot::a, -Shot::_key),
      Shot::query(Shot::a > 0, Shot::b < 3).order(Shot::a, Shot::b, Shot::_key),
      Shot::query(ndb::OR(Shot::a == 1, Shot::tags == "some")).order(-Shot::b, Shot::_key),
      Shot::query(Shot::a.IN({1, 3})),
      Shot::query(Shot::a != 2).order(Shot::a, Shot::_key),
  };
  in_new_context(client_, [&] {
    for (std::size_t q = 0; q < queries.size(); ++q) {
      SCOPED_TRACE("query " + std::to_string(q));
      const ndb::Query<Shot>& query = queries[q];
      stub_->batch_size = below(2) == 0 ? 1 + below(5) : 0;
      const std::vector<std::int64_t> list = ids(query.fetch());
      ASSERT_FALSE(list.empty());
      Cursor cursor;
      std::size_t place = 0;  // of `cursor`: so many results are in front of it
      bool at_start = true;   // the empty cursor stands for the start forwards, and for the end backwards
      for (int step = 0; step < 25; ++step) {
        const auto size = static_cast<std::size_t>(1 + below(6));
        const bool forwards = below(2) == 0;
        std::size_t from = 0, to = 0;
        ndb::Page<Shot> page;
        if (forwards) {
          from = at_start ? 0 : place;
          to = std::min(list.size(), from + size);
          page = query.fetch_page(size, at_start ? Cursor() : cursor);
          EXPECT_EQ(page.more, to < list.size());
          place = to;
        } else {
          to = at_start ? list.size() : place;
          from = to - std::min(to, size);
          page = query.fetch_page_before(size, at_start ? Cursor() : cursor);
          EXPECT_EQ(page.more, from > 0);
          place = from;
        }
        EXPECT_EQ(ids(page.results), std::vector(list.begin() + static_cast<std::ptrdiff_t>(from),
                                                 list.begin() + static_cast<std::ptrdiff_t>(to)))
            << "step " << step << (forwards ? " forwards" : " backwards");
        // A page without results has nothing that its cursor could be beside.
        at_start = page.results.empty() || !page.cursor;
        cursor = page.cursor;
      }
    }
  });
}

TEST_F(Backwards, TheBoundsOfTheQueryHold) {
  in_new_context(client_, [] {
    for (int i = 1; i <= 9; ++i) Shot::make({.a = i}, ndb::id(i)).put();
    const auto query = Shot::query().order(Shot::a, Shot::_key);
    const Cursor behind_2 = query.fetch_page(2).cursor, behind_7 = query.fetch_page(7).cursor;
    const auto middle = query.start_cursor(behind_2).end_cursor(behind_7);
    EXPECT_THAT(ids(middle.fetch()), ElementsAre(3, 4, 5, 6, 7));
    const auto last = middle.fetch_page_before(3, Cursor());
    EXPECT_THAT(ids(last.results), ElementsAre(5, 6, 7));
    EXPECT_TRUE(last.more);
    const auto rest = middle.fetch_page_before(3, last.cursor);
    EXPECT_THAT(ids(rest.results), ElementsAre(3, 4));
    EXPECT_FALSE(rest.more);
    EXPECT_THAT(ids(query.limit(2).fetch_page_before(3, behind_7).results), ElementsAre(5, 6, 7));
  });
}

TEST_F(Backwards, WhatTheContextKnowsToBeGoneIsNotOnThePage) {
  in_new_context(client_, [] {
    for (int i = 1; i <= 6; ++i) Shot::make({.a = i}, ndb::id(i)).put();
    ndb::key<Shot>(4).delete_({.use_datastore = false});
    const auto page = Shot::query().fetch_page_before(3, Cursor());
    EXPECT_THAT(ids(page.results), ElementsAre(3, 5, 6));
    EXPECT_TRUE(page.more);
  });
}

TEST_F(Backwards, ProjectionsHaveTheirPropertiesInTheOrder) {
  in_new_context(client_, [] {
    for (int i = 1; i <= 4; ++i) Shot::make({.a = i, .tags = {"x", "y" + std::to_string(i)}}, ndb::id(i)).put();
    const auto rows = Shot::query().order(Shot::tags, Shot::_key).project(Shot::tags);
    std::vector<std::string> seen;
    Cursor cursor;
    for (bool more = true; more;) {
      const auto page = rows.fetch_page_before(3, cursor);
      std::vector<std::string> tags;
      for (const auto& row : page.results) tags.push_back(row[Shot::tags]);
      seen.insert(seen.begin(), tags.begin(), tags.end());
      cursor = page.cursor;
      more = page.more;
    }
    EXPECT_THAT(seen, ElementsAre("x", "x", "x", "x", "y1", "y2", "y3", "y4"));
    EXPECT_THAT(refusal([] { Shot::query().order(Shot::b, Shot::_key).project(Shot::a).fetch_page_before(3, {}); }),
                HasSubstr("need an order by each of its properties, in front of the key; there is none by \"a\""));
  });
}

TEST_F(Backwards, AnOrderWithoutAnExactOppositeIsRefused) {
  in_new_context(client_, [] {
    const auto all = Shot::query();
    const auto page = [](const auto& query) { return refusal([&] { query.fetch_page_before(3, Cursor()); }); };
    EXPECT_THAT(page(all.order(Shot::a)), HasSubstr("query of kind \"Shot\""));
    EXPECT_THAT(page(all.order(Shot::a)), HasSubstr("end the orders with the key"));
    EXPECT_THAT(page(Shot::query(Shot::a > 1)), HasSubstr("end the orders with the key"));
    EXPECT_THAT(page(Shot::query(ndb::OR(Shot::b == 1, Shot::a != 1))), HasSubstr("end the orders with the key"));
    EXPECT_THAT(page(all.order(Shot::tags, Shot::_key)), HasSubstr("an order by \"tags\" has no exact opposite"));
    EXPECT_THAT(page(all.order(Shot::tags, Shot::_key).keys_only()), HasSubstr("an order by \"tags\""));
    EXPECT_THAT(page(all.order(Shot::spot.seats, Shot::_key)), HasSubstr("an order by \"spot.seats\""));
    EXPECT_THAT(page(ndb::query("Shot").order(ndb::Order("tags", false), ndb::Order("__key__", true))),
                HasSubstr("an order by \"tags\""));
    EXPECT_THAT(page(all.offset(1)), HasSubstr("an offset counts from the first result"));
    EXPECT_THAT(page(all.distinct_on(Shot::a).order(Shot::a, Shot::_key)), HasSubstr("distinct_on"));
    EXPECT_THAT(page(Shot::gql("ORDER BY a, __key__")), HasSubstr("write the opposite order in another one"));
    EXPECT_THAT(all.order(Shot::a, Shot::_key).fetch_page_before(3, Cursor()).results, IsEmpty());
  });
}

}  // namespace
