// Queries by index semantics, their batches and cursors, and aggregations.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "local_datastore/datastore_client.h"
#include "local_datastore/query_builders.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Batch = v1::QueryResultBatch;

class QueryTest : public ::testing::Test {
 protected:
  void put(const std::vector<v1::Entity>& entities) {
    std::vector<v1::Mutation> mutations;
    for (const v1::Entity& e : entities) mutations.push_back(upsert(e));
    ASSERT_TRUE(client_.commit(mutations).ok());
  }

  // The names of the results' keys, over all batches.
  std::vector<std::string> names(v1::Query query) {
    std::vector<std::string> out;
    for (;;) {
      const auto reply = client_.run(query);
      if (!reply.ok()) return {reply.status.error_message()};
      for (const v1::EntityResult& result : reply->batch().entity_results()) {
        const v1::Key& k = result.entity().key();
        out.push_back(k.path(k.path_size() - 1).name());
      }
      if (reply->batch().more_results() != Batch::NOT_FINISHED) return out;
      query.set_start_cursor(reply->batch().end_cursor());
    }
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
};

TEST_F(QueryTest, ValuesAreOrderedAcrossTypes) {
  const double infinity = std::numeric_limits<double>::infinity();
  v1::Value time;
  time.mutable_timestamp_value()->set_nanos(5000);  // 5 microseconds, among the integers
  v1::Value blob;
  blob.set_blob_value("ab");
  v1::Value point;
  point.mutable_geo_point_value()->set_latitude(1);
  const std::vector<v1::Value> in_order = {null(),
                                           integer(std::numeric_limits<std::int64_t>::min()),
                                           integer(-1),
                                           integer(0),
                                           time,
                                           integer(6),
                                           boolean(false),
                                           boolean(true),
                                           text(""),
                                           text("a"),
                                           text(std::string("a\0b", 3)),
                                           blob,
                                           text("b"),
                                           real(-infinity),
                                           real(-1.5),
                                           real(0.0),
                                           real(2.5),
                                           real(infinity),
                                           real(std::nan("")),
                                           point,
                                           key_value(key("A", 2)),
                                           key_value(key("A", 2, "B", 1)),
                                           key_value(key("A", "1"))};
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    expected.push_back(std::to_string(1000 + i));
    put({entity(key("K", expected.back()), {{"p", in_order[i]}})});
  }
  put({entity(key("K", "not indexed"), {{"p", unindexed(integer(1))}}), entity(key("K", "has no p")),
       entity(key("K", "empty"), {{"p", array({})}})});
  EXPECT_EQ(names(ordered(of("K"), "p")), expected);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(names(ordered(of("K"), "-p")), expected);
  EXPECT_EQ(names(of("K", where("p", v1::PropertyFilter::LESS_THAN, integer(0)))),
            (std::vector<std::string>{"1000", "1001", "1002"}))
      << "inequalities go across types";
}

TEST_F(QueryTest, FiltersMatchIndexEntries) {
  using F = v1::PropertyFilter;
  put({entity(key("K", "a"), {{"n", integer(1)}, {"tags", array({text("x"), text("y")})}}),
       entity(key("K", "b"), {{"n", integer(2)}, {"tags", array({text("y")})}}),
       entity(key("K", "c"), {{"n", real(2)}, {"tags", text("x")}}),
       entity(key("K", "d"), {{"n", array({integer(1), integer(10)})}}),
       entity(key("K", "e"), {{"n", unindexed(integer(2))}}), entity(key("Root", "r", "K", "f")),
       entity(key("Root", "r"), {{"n", integer(2)}})});
  v1::Value nested;
  *nested.mutable_entity_value() = entity(key("N", 1), {{"city", text("London")}});
  put({entity(key("Home", "h"), {{"address", nested}, {"a.b", integer(1)}})});

  struct Case {
    const char* name;
    v1::Query query;
    std::vector<std::string> expected;
  };
  v1::Query kindless;
  *kindless.mutable_filter() = where("__key__", F::HAS_ANCESTOR, key_value(key("Root", "r")));
  const auto eq = [](const std::string& p, const v1::Value& v) { return where(p, F::EQUAL, v); };
  const std::vector<Case> cases = {
      {"kind", of("K"), {"a", "b", "c", "d", "e", "f"}},
      {"equal is of one type", of("K", eq("n", integer(2))), {"b"}},
      {"double", of("K", eq("n", real(2))), {"c"}},
      {"each filter has its element", of("K", all({eq("tags", text("x")), eq("tags", text("y"))})), {"a"}},
      {"inequalities share one",
       of("K", all({where("n", F::GREATER_THAN, integer(3)), where("n", F::LESS_THAN, integer(5))})),
       {}},
      {"range",
       of("K", all({where("n", F::GREATER_THAN_OR_EQUAL, integer(1)), where("n", F::LESS_THAN, integer(2))})),
       {"a", "d"}},
      {"not equal", of("K", where("n", F::NOT_EQUAL, integer(1))), {"b", "d", "c"}},
      {"in", of("K", where("n", F::IN, array({integer(1), integer(2)}))), {"a", "b", "d"}},
      {"not in", of("K", where("n", F::NOT_IN, array({integer(1), integer(2)}))), {"d", "c"}},
      {"or", of("K", any({eq("n", integer(2)), eq("tags", text("x"))})), {"a", "b", "c"}},
      {"equal and unequal elements",
       of("K", any({where("n", F::GREATER_THAN_OR_EQUAL, integer(5)),
                    all({where("n", F::LESS_THAN, integer(2)), eq("n", integer(10))})})),
       {"d", "c"}},
      {"ancestor and kind", of("K", where("__key__", F::HAS_ANCESTOR, key_value(key("Root", "r")))), {"f"}},
      {"ancestor", kindless, {"r", "f"}},
      {"key", of("K", eq("__key__", key_value(key("K", "b")))), {"b"}},
      {"keys after", of("K", where("__key__", F::GREATER_THAN, key_value(key("K", "c")))), {"d", "e", "f"}},
      {"nested", of("Home", eq("address.city", text("London"))), {"h"}},
      {"nested key", of("Home", eq("address.__key__", key_value(key("N", 1)))), {"h"}},
      {"dotted name", of("Home", eq("a.b", integer(1))), {"h"}},
      {"unknown kind", of("Nobody"), {}},
  };
  for (const Case& c : cases) EXPECT_EQ(names(c.query), c.expected) << c.name;
}

TEST_F(QueryTest, RefusesInvalidArguments) {
  using F = v1::PropertyFilter;
  v1::Query kindless;
  v1::Query two_kinds = of("K");
  two_kinds.add_kind()->set_name("L");
  v1::Query negative = of("K");
  negative.set_offset(-1);
  v1::Query foreign_cursor = of("K");
  foreign_cursor.set_start_cursor(client_.run(of("L"))->batch().end_cursor());
  v1::Query garbage = of("K");
  garbage.set_end_cursor("garbage");
  v1::Query kindless_filter = kindless;
  *kindless_filter.mutable_filter() = where("n", F::EQUAL, integer(1));
  const std::vector<std::pair<v1::Query, std::string>> refusals = {
      {two_kinds, "at most one kind"},
      {negative, "offset"},
      {foreign_cursor, "cursor does not match query"},
      {garbage, "cursor"},
      {kindless_filter, "kind is required for non-__key__ filters"},
      {ordered(kindless, "n"), "kind is required for all orders except __key__ ascending"},
      {ordered(kindless, "-__key__"), "kind is required for all orders except __key__ ascending"},
      {of("K", where("__key__", F::EQUAL, integer(1))), "__key__ filter value must be a Key"},
      {of("K", where("n", F::IN, array({}))), "'IN' property filter for 'n' requires a non-empty ArrayValue"},
      {of("K", all({})), "A composite filter must have at least one sub-filter."},
      {project(of("K"), {"n", "n"}), "cannot project a property multiple times"},
      {project(of("K"), {"__key__", "__key__"}), "cannot project a property multiple times"},
      {project(of("K", where("n", F::EQUAL, integer(1))), {"n"}),
       "cannot use projection on a property with an equality filter"},
  };
  for (const auto& [query, text] : refusals) {
    const auto reply = client_.run(query);
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT) << text;
    EXPECT_THAT(reply.status.error_message(), HasSubstr(text));
  }
}

TEST_F(QueryTest, ProjectionsComeFromIndexes) {
  v1::Value time;
  time.mutable_timestamp_value()->set_seconds(1);
  put({entity(key("K", "a"), {{"n", array({integer(2), integer(1), integer(2)})}, {"t", time}}),
       entity(key("K", "b"), {{"n", integer(1)}, {"t", unindexed(time)}})});
  const auto reply = client_.run(project(of("K"), {"n", "t"}));
  EXPECT_EQ(reply->batch().entity_result_type(), v1::EntityResult::PROJECTION);
  ASSERT_EQ(reply->batch().entity_results_size(), 2) << "a row per element, none without an indexed value";
  for (int i = 0; i < 2; ++i) {
    const auto& properties = reply->batch().entity_results(i).entity().properties();
    EXPECT_EQ(properties.at("n").integer_value(), i + 1);
    EXPECT_EQ(properties.at("t").integer_value(), 1'000'000);
    EXPECT_EQ(properties.at("t").meaning(), 18);
  }
  v1::Value origin;
  origin.mutable_geo_point_value()->set_latitude(-0.0);
  put({entity(key("Zero", "z"), {{"d", real(-0.0)}, {"g", origin}, {"n", integer(1)}})});
  const std::vector<std::vector<std::string>> columns = {{"d"}, {"d", "n"}, {"g"}, {"g", "n"}};
  for (const std::vector<std::string>& properties : columns) {
    const auto zero = client_.run(project(of("Zero"), properties));
    const v1::Value& value = zero->batch().entity_results(0).entity().properties().at(properties[0]);
    EXPECT_FALSE(std::signbit(value.double_value()) || std::signbit(value.geo_point_value().latitude()))
        << properties.size() << " properties: indexes have one zero";
  }
  put({entity(key("Twice", "t"), {{"a", array({integer(1), integer(5)})}, {"n", integer(2)}, {"m", integer(3)}})});
  const v1::Query twice = of("Twice", any({where("a", v1::PropertyFilter::GREATER_THAN, integer(1)),
                                           where("n", v1::PropertyFilter::EQUAL, integer(2))}));
  EXPECT_EQ(client_.run(project(ordered(twice, "a"), {"m"}))->batch().entity_results_size(), 1)
      << "two alternatives place it differently, but it is one row";
  v1::Query distinct = project(of("K"), {"n"});
  distinct.add_distinct_on()->set_name("n");
  EXPECT_EQ(client_.run(distinct)->batch().entity_results_size(), 2);

  const auto keys = client_.run(project(of("K"), {"__key__"}));
  EXPECT_EQ(keys->batch().entity_result_type(), v1::EntityResult::KEY_ONLY);
  ASSERT_EQ(keys->batch().entity_results_size(), 2);
  EXPECT_TRUE(keys->batch().entity_results(0).entity().properties().empty());
  EXPECT_EQ(keys->batch().entity_results(0).entity().key().path(0).name(), "a");
}

TEST_F(QueryTest, BatchesCoverTheResult) {
  constexpr int kRows = 1501;
  for (int i = 0; i < kRows;) {
    std::vector<v1::Entity> entities;
    for (int n = 0; n < 500 && i < kRows; ++n, ++i) {
      entities.push_back(entity(key("K", std::to_string(10000 + i)), {{"n", integer(kRows - i)}}));
    }
    put(entities);
  }
  for (const v1::Query& base : {of("K"), ordered(of("K"), "n"), ordered(of("K"), "-n")}) {
    v1::Query query = base;
    int seen = 0;
    for (;;) {
      const auto reply = client_.run(query);
      seen += reply->batch().entity_results_size();
      EXPECT_LE(reply->batch().entity_results_size(), 300);
      if (reply->batch().more_results() != Batch::NOT_FINISHED) {
        EXPECT_EQ(reply->batch().more_results(), Batch::NO_MORE_RESULTS);
        break;
      }
      query.set_start_cursor(reply->batch().end_cursor());
    }
    EXPECT_EQ(seen, kRows);

    query = base;
    query.set_offset(std::numeric_limits<std::int32_t>::max());
    int skipped = 0;
    for (;;) {
      const auto reply = client_.run(query);
      skipped += reply->batch().skipped_results();
      EXPECT_LE(reply->batch().skipped_results(), 1000);
      if (reply->batch().more_results() != Batch::NOT_FINISHED) break;
      query.set_offset(query.offset() - reply->batch().skipped_results());
      query.set_start_cursor(reply->batch().end_cursor());
    }
    EXPECT_EQ(skipped, kRows);

    query = base;
    query.mutable_limit()->set_value(0);
    EXPECT_EQ(client_.run(query)->batch().more_results(), Batch::MORE_RESULTS_AFTER_LIMIT);
    query.mutable_limit()->set_value(2);
    query.set_offset(3);
    const auto page = client_.run(query);
    EXPECT_EQ(page->batch().entity_results_size(), 2);
    EXPECT_EQ(page->batch().skipped_results(), 3);
    EXPECT_EQ(page->batch().more_results(), Batch::MORE_RESULTS_AFTER_LIMIT);
  }
}

TEST_F(QueryTest, SortsMoreThanItKeeps) {
  constexpr int kEntities = 14;
  const auto content = [](int i) { return std::string(500'000, static_cast<char>('a' + i)); };
  for (int i = 0; i < kEntities; ++i) {
    put({entity(key("Large", std::to_string(100 + i)),
                {{"a", integer(i % 2)}, {"b", integer(-i)}, {"content", unindexed(text(content(i)))}})});
  }
  v1::Query query = ordered(ordered(of("Large"), "a"), "b");
  std::vector<int> got;
  for (bool more = true; more;) {
    const auto reply = client_.run(query);
    for (const v1::EntityResult& result : reply->batch().entity_results()) {
      got.push_back(std::stoi(result.entity().key().path(0).name()) - 100);
      EXPECT_TRUE(result.entity().properties().at("content").string_value() == content(got.back()));
      EXPECT_GT(result.version(), 0);
    }
    more = reply->batch().more_results() == Batch::NOT_FINISHED;
    query.set_start_cursor(reply->batch().end_cursor());
  }
  EXPECT_THAT(got, ElementsAre(12, 10, 8, 6, 4, 2, 0, 13, 11, 9, 7, 5, 3, 1));
}

TEST_F(QueryTest, CursorsStayValidAfterWrites) {
  for (const char* name : {"a", "b", "c", "d", "e"}) put({entity(key("K", name), {{"p", text(name)}})});
  for (const v1::Query& base : {of("K"), ordered(of("K"), "p")}) {
    v1::Query query = base;
    query.mutable_limit()->set_value(2);
    const auto page = client_.run(query);
    const std::string cursor = page->batch().end_cursor();
    EXPECT_EQ(page->batch().entity_results(1).cursor(), cursor);

    ASSERT_TRUE(client_.commit({erase(key("K", "b"))}).ok());  // the row that the cursor is behind of
    put({entity(key("K", "a2"), {{"p", text("a2")}}), entity(key("K", "c2"), {{"p", text("c2")}})});
    query = base;
    query.set_start_cursor(cursor);
    EXPECT_THAT(names(query), ElementsAre("c", "c2", "d", "e"));
    query = base;
    query.set_end_cursor(cursor);
    EXPECT_THAT(names(query), ElementsAre("a", "a2"));
    EXPECT_EQ(client_.run(query)->batch().more_results(), Batch::MORE_RESULTS_AFTER_CURSOR);
    EXPECT_EQ(client_.run(query)->batch().entity_result_type(), v1::EntityResult::FULL);

    query = base;
    query.set_start_cursor(cursor);
    query.mutable_limit()->set_value(0);
    EXPECT_EQ(client_.run(query)->batch().end_cursor(), cursor) << "nothing read: where it began";
    ASSERT_TRUE(client_.commit({erase(key("K", "a2")), erase(key("K", "c2"))}).ok());
    put({entity(key("K", "b"), {{"p", text("b")}})});
  }
}

TEST_F(QueryTest, ReversedQueriesGoOnAtTheSameCursor) {
  for (const char* name : {"a", "b", "c", "d"}) put({entity(key("K", name), {{"p", text(name)}})});
  for (const char* order : {"__key__", "p"}) {
    v1::Query query = ordered(of("K"), order);
    query.mutable_limit()->set_value(3);
    const std::string cursor = client_.run(query)->batch().end_cursor();
    v1::Query reversed = ordered(of("K"), std::string("-") + order);
    if (std::string(order) == "p") reversed = ordered(reversed, "-__key__");
    reversed.set_start_cursor(cursor);
    EXPECT_THAT(names(reversed), ElementsAre("c", "b", "a"));
    v1::Query none = reversed;
    none.mutable_limit()->set_value(0);
    EXPECT_EQ(client_.run(none)->batch().end_cursor(), cursor) << "nothing read: where it began";
  }
}

// An index that proves a row of one alternative of OR proves nothing about the conditions of the others.
TEST_F(QueryTest, AlternativesHaveConditionsOnKeysOfTheirOwn) {
  using F = v1::PropertyFilter;
  for (const char* name : {"a", "b", "c"}) put({entity(key("K", name), {{"m", integer(1)}, {"n", integer(2)}})});
  const auto n_is = [](std::int64_t n) { return where("n", F::EQUAL, integer(n)); };
  const v1::Value a = key_value(key("K", "a"));
  struct Case {
    v1::Filter filter;
    std::vector<std::string> expected;
  };
  const std::vector<Case> cases = {
      {any({n_is(1), where("__key__", F::NOT_EQUAL, a)}), {"b", "c"}},
      {any({n_is(1), all({n_is(2), where("__key__", F::NOT_EQUAL, a)})}), {"b", "c"}},
      {any({n_is(1), all({n_is(2), where("__key__", F::IN, array({a, key_value(key("K", "c"))}))})}), {"a", "c"}},
      {any({all({n_is(2), where("__key__", F::LESS_THAN, key_value(key("K", "b")))}),
            all({where("m", F::EQUAL, integer(1)), where("__key__", F::NOT_EQUAL, a),
                 where("__key__", F::LESS_THAN_OR_EQUAL, key_value(key("K", "b")))})}),
       {"a", "b"}},
      {all({n_is(2), where("__key__", F::NOT_IN, array({a, key_value(key("K", "c"))}))}), {"b"}},
  };
  for (const Case& c : cases) {
    const v1::Query query = of("K", c.filter);
    EXPECT_EQ(names(query), c.expected) << c.filter.ShortDebugString();
    EXPECT_EQ(names(project(query, {"__key__"})), c.expected) << c.filter.ShortDebugString();
    v1::RunAggregationQueryRequest request;
    *request.mutable_aggregation_query()->mutable_nested_query() = query;
    request.mutable_aggregation_query()->add_aggregations()->mutable_count();
    const auto counted = client_.call(&v1::Datastore::Stub::RunAggregationQuery, request);
    EXPECT_EQ(counted->batch().aggregation_results(0).aggregate_properties().at("property_1").integer_value(),
              static_cast<std::int64_t>(c.expected.size()))
        << c.filter.ShortDebugString();
  }
}

TEST_F(QueryTest, AggregatesWhatIsIndexed) {
  put({entity(key("K", "a"), {{"n", integer(5)}}), entity(key("K", "b"), {{"n", integer(1)}}),
       entity(key("K", "c"), {{"n", integer(3)}}), entity(key("K", "d"), {{"m", integer(100)}})});
  const auto aggregate = [&](const v1::Query& nested, const std::string& property) {
    v1::RunAggregationQueryRequest request;
    v1::AggregationQuery& query = *request.mutable_aggregation_query();
    *query.mutable_nested_query() = nested;
    query.add_aggregations()->mutable_count();
    if (!property.empty()) {
      query.add_aggregations()->mutable_sum()->mutable_property()->set_name(property);
      query.add_aggregations()->mutable_avg()->mutable_property()->set_name(property);
      query.mutable_aggregations(2)->set_alias("mean");
    }
    return client_.call(&v1::Datastore::Stub::RunAggregationQuery, request);
  };
  const auto properties = [](const Reply<v1::RunAggregationQueryResponse>& reply) {
    return reply->batch().aggregation_results(0).aggregate_properties();
  };
  EXPECT_EQ(properties(aggregate(of("K"), "")).at("property_1").integer_value(), 4);
  auto all_rows = properties(aggregate(of("K"), "n"));
  EXPECT_EQ(all_rows.at("property_1").integer_value(), 3);
  EXPECT_EQ(all_rows.at("property_2").integer_value(), 9);
  EXPECT_EQ(all_rows.at("mean").double_value(), 3);
  v1::Query limited = of("K");
  limited.mutable_limit()->set_value(2);
  EXPECT_EQ(properties(aggregate(limited, "n")).at("property_2").integer_value(), 4) << "the smallest two";
  auto nothing = properties(aggregate(of("Nobody"), "n"));
  EXPECT_EQ(nothing.at("property_2").integer_value(), 0);
  EXPECT_TRUE(nothing.at("mean").has_null_value());
  EXPECT_EQ(aggregate(of("K"), "__key__").status.error_message(),
            "Aggregations are not supported for the property: __key__");
}

}  // namespace
}  // namespace ndb::testing
