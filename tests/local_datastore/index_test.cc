// A query reads no more than necessary. And what it reports: explain, metadata kinds, statistics.
#include <gmock/gmock.h>

#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "local_datastore/datastore_client.h"
#include "local_datastore/query/run.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;

struct Cost {
  std::int64_t entities = 0;
  std::int64_t index_rows = 0;
  std::int64_t results = 0;
  bool operator==(const Cost&) const = default;
};
void PrintTo(const Cost& cost, std::ostream* out) {  // NOLINT(readability-identifier-naming)
  *out << cost.results << " results from " << cost.entities << " entities, " << cost.index_rows << " index rows";
}

Cost cost_of(const v1::ExplainMetrics& metrics) {
  const auto& fields = metrics.execution_stats().debug_stats().fields();
  return {.entities = std::stoll(fields.at("documents_scanned").string_value()),
          .index_rows = std::stoll(fields.at("index_entries_scanned").string_value()),
          .results = metrics.execution_stats().results_returned()};
}

class IndexTest : public ::testing::Test {
 protected:
  // 400 entities: n from 0 to 399; ten, its last digit; even, whether it is even; below Root:1 if n < 100.
  static void SetUpTestSuite() {
    server_ = LocalDatastore::start();
    DatastoreClient client(*server_);
    std::vector<v1::Mutation> mutations;
    mutations.reserve(400);
    for (std::int64_t n = 0; n < 400; ++n) {
      mutations.push_back(upsert(entity(n < 100 ? key("Root", 1, "K", n + 1) : key("K", n + 1),
                                        {{"n", integer(n)},
                                         {"ten", integer(n % 10)},
                                         {"even", boolean(n % 2 == 0)},
                                         {"both", array({integer(n), integer(n + 1000)})}})));
    }
    ASSERT_TRUE(client.commit(mutations).ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

  v1::RunQueryRequest request(const std::string& gql) {
    v1::RunQueryRequest request;
    request.mutable_gql_query()->set_query_string(gql);
    request.mutable_gql_query()->set_allow_literals(true);
    request.mutable_explain_options()->set_analyze(true);
    return request;
  }
  Reply<v1::RunQueryResponse> run(const std::string& gql) {
    return client_.call(&v1::Datastore::Stub::RunQuery, request(gql));
  }
  v1::RunAggregationQueryResponse aggregate(const std::string& gql) {
    v1::RunAggregationQueryRequest request;
    request.mutable_gql_query()->set_query_string(gql);
    request.mutable_gql_query()->set_allow_literals(true);
    request.mutable_explain_options()->set_analyze(true);
    return *client_.call(&v1::Datastore::Stub::RunAggregationQuery, request).operator->();
  }
  std::vector<std::string> names(const std::string& gql) {
    std::vector<std::string> out;
    const auto reply = run(gql);
    for (const v1::EntityResult& result : reply->batch().entity_results()) {
      const v1::Key::PathElement& last = result.entity().key().path(result.entity().key().path_size() - 1);
      out.push_back(last.name().empty() ? std::to_string(last.id()) : last.name());
    }
    return out;
  }

  static std::unique_ptr<LocalDatastore> server_;
  DatastoreClient client_{*server_};
};
std::unique_ptr<LocalDatastore> IndexTest::server_;

TEST_F(IndexTest, QueriesReadNoMoreThanTheyMust) {
  const std::vector<std::pair<std::string, Cost>> cases = {
      {"SELECT * FROM K LIMIT 20", {20, 20, 20}},
      {"SELECT __key__ FROM K LIMIT 20", {0, 20, 20}},
      {"SELECT * FROM K ORDER BY __key__ DESC LIMIT 5", {5, 5, 5}},
      {"SELECT * FROM K ORDER BY n LIMIT 20", {20, 20, 20}},
      {"SELECT * FROM K ORDER BY n DESC LIMIT 20", {20, 20, 20}},
      {"SELECT * FROM K WHERE n >= 150 LIMIT 5", {5, 5, 5}},
      {"SELECT * FROM K WHERE n > 10 AND n < 13", {2, 2, 2}},
      {"SELECT * FROM K WHERE n != 0 LIMIT 3", {3, 3, 3}},
      {"SELECT __key__ FROM K WHERE n < 7", {0, 7, 7}},
      {"SELECT n FROM K WHERE n < 7", {0, 7, 7}},
      {"SELECT n FROM K ORDER BY n DESC LIMIT 7", {0, 7, 7}},
      {"SELECT both FROM K WHERE both >= 1000 LIMIT 4", {0, 4, 4}},
      {"SELECT DISTINCT ten FROM K", {0, 10, 10}},
      {"SELECT DISTINCT ten FROM K ORDER BY ten DESC LIMIT 3", {0, 3, 3}},
      {"SELECT * FROM K WHERE ten = 3 LIMIT 10", {10, 10, 10}},
      {"SELECT * FROM K WHERE ten = 3 ORDER BY ten, __key__ DESC LIMIT 4", {4, 4, 4}},
      {"SELECT __key__ FROM K WHERE ten IN ARRAY(1, 2) LIMIT 10", {0, 11, 10}},
      {"SELECT * FROM K WHERE __key__ = KEY(K, 200)", {1, 1, 1}},
      {"SELECT * FROM K WHERE __key__ > KEY(K, 395) LIMIT 5", {5, 5, 5}},
      {"SELECT * FROM K WHERE __key__ HAS ANCESTOR KEY(Root, 1) LIMIT 3", {3, 3, 3}},
      {"SELECT * FROM K WHERE ten = 3 AND __key__ HAS ANCESTOR KEY(Root, 1)", {10, 10, 10}},
      {"SELECT * WHERE __key__ HAS ANCESTOR KEY(Root, 1) LIMIT 3", {3, 0, 3}},
      {"SELECT * FROM Nobody ORDER BY n", {0, 0, 0}},
      {"SELECT * FROM K LIMIT 1 OFFSET 300", {1, 301, 1}},
      {"SELECT * FROM K ORDER BY n DESC LIMIT 1 OFFSET 300", {1, 301, 1}},
      {"SELECT * FROM K WHERE ten = 3 LIMIT 1 OFFSET 30", {1, 31, 1}},
      {"SELECT * WHERE __key__ HAS ANCESTOR KEY(Root, 1) LIMIT 1 OFFSET 50", {51, 0, 1}},
  };
  for (const auto& [gql, cost] : cases) EXPECT_EQ(cost_of(run(gql)->explain_metrics()), cost) << gql;

  // An order together with equalities: at most this cost.
  const std::vector<std::pair<std::string, Cost>> joins = {
      {"SELECT * FROM K WHERE even = TRUE AND n > 395", {2, 10, 2}},
      {"SELECT __key__ FROM K WHERE even = TRUE AND n > 395", {0, 10, 2}},
      {"SELECT n FROM K WHERE even = TRUE AND n > 395", {0, 10, 2}},
      {"SELECT * FROM K WHERE even = TRUE AND n > 395 AND ten = 6", {1, 15, 1}},
      {"SELECT * FROM K WHERE even = TRUE AND both > 1395", {2, 10, 2}},
      {"SELECT * FROM K WHERE (even = TRUE OR ten = 9) AND n > 395", {3, 15, 3}},
      {"SELECT * FROM K WHERE even = TRUE ORDER BY n LIMIT 3", {3, 15, 3}},
      {"SELECT * FROM K WHERE even = TRUE ORDER BY n DESC LIMIT 3", {3, 15, 3}},
      {"SELECT * FROM K WHERE __key__ HAS ANCESTOR KEY(Root, 1) ORDER BY n LIMIT 3", {3, 3, 3}},
      {"SELECT * FROM K WHERE n = 399 AND both > 0", {1, 10, 1}},
      {"SELECT * FROM K WHERE n = 399 ORDER BY both DESC, ten", {2, 10, 1}},
      {"SELECT * FROM K WHERE n = 1000 AND both > 0", {0, 10, 0}},
      {"SELECT * FROM K WHERE __key__ = KEY(K, 400) AND n > 0", {1, 10, 1}},
      {"SELECT * FROM K WHERE ten = 3 ORDER BY n", {45, 180, 40}},
  };
  for (const auto& [gql, cost] : joins) {
    const Cost got = cost_of(run(gql)->explain_metrics());
    EXPECT_EQ(got.results, cost.results) << gql;
    EXPECT_LE(got.entities, cost.entities) << gql;
    EXPECT_LE(got.index_rows, cost.index_rows) << gql;
  }

  // A join seeks about once per filter at each match, and never reads what lies between.
  const Cost joined = cost_of(run("SELECT * FROM K WHERE n = 250 AND ten = 0 AND even = TRUE")->explain_metrics());
  EXPECT_EQ(joined.entities, 1);
  EXPECT_LE(joined.index_rows, 5);
}

TEST_F(IndexTest, PagesGoOnWhereTheLastOneEnded) {
  for (const char* gql :
       {"SELECT * FROM K", "SELECT * FROM K ORDER BY n", "SELECT * FROM K ORDER BY n DESC",
        "SELECT * FROM K ORDER BY ten", "SELECT * FROM K WHERE ten = 4", "SELECT n FROM K WHERE n > 5",
        "SELECT * FROM K WHERE even = TRUE OR ten = 4", "SELECT * FROM K ORDER BY __key__ DESC"}) {
    v1::Query query = run(gql)->query();
    query.mutable_limit()->set_value(10);
    std::int64_t rows = 0;
    for (int page = 0; page < 3; ++page) {
      v1::RunQueryRequest request;
      *request.mutable_query() = query;
      request.mutable_explain_options()->set_analyze(true);
      const auto reply = client_.call(&v1::Datastore::Stub::RunQuery, request);
      EXPECT_EQ(reply->batch().entity_results_size(), 10) << gql;
      const Cost cost = cost_of(reply->explain_metrics());
      rows = std::max(rows, cost.entities + cost.index_rows);
      query.set_start_cursor(reply->batch().end_cursor());
    }
    EXPECT_LE(rows, 30) << gql;
  }
}

// What there is of them grows with the data, and a page must not look at all of it.
TEST(MetadataTest, PagesGoOnWhereTheLastOneEnded) {
  const auto server = LocalDatastore::start();
  DatastoreClient client(*server);
  constexpr int kKinds = 40;
  std::vector<v1::Mutation> mutations;
  for (int i = 0; i < kKinds; ++i) {
    v1::Key elsewhere = key("K", 1);
    elsewhere.mutable_partition_id()->set_namespace_id(cat("n", i));
    mutations.push_back(upsert(entity(elsewhere)));
    mutations.push_back(upsert(entity(key(cat("K", i), 1), {{"a", integer(1)}, {"b", integer(2)}})));
  }
  ASSERT_TRUE(client.commit(mutations).ok());
  const struct {
    std::string text;
    int results;
    int rows;  // of one page of ten, at most
  } cases[] = {
      {"SELECT * FROM __namespace__", kKinds + 1, 15},
      {"SELECT * FROM __kind__", kKinds, 15},
      {"SELECT __key__ FROM __kind__ WHERE __key__ >= KEY(__kind__, 'K3')", 17, 15},
      {"SELECT __key__ FROM __kind__ WHERE __key__ < KEY(__kind__, 'K11')", 3, 5},
      {"SELECT __key__ FROM __property__", 2 * kKinds, 30},
      {"SELECT * FROM __property__", 2 * kKinds, 110},
      {"SELECT __key__ FROM __property__ WHERE __key__ HAS ANCESTOR KEY(__kind__, 'K7')", 2, 5},
      {"SELECT __key__ FROM __property__ WHERE __key__ > KEY(__kind__, 'K7', __property__, 'a')", 5, 15},
      {"SELECT * FROM __kind__ ORDER BY __key__ DESC", kKinds, 50},
  };
  for (const auto& [text, results, rows] : cases) {
    SCOPED_TRACE(text);
    v1::RunQueryRequest request;
    request.mutable_gql_query()->set_query_string(text);
    request.mutable_gql_query()->set_allow_literals(true);
    v1::Query query = client.call(&v1::Datastore::Stub::RunQuery, request)->query();
    query.mutable_limit()->set_value(10);
    std::set<std::string> found;
    for (bool more = true; more;) {
      v1::RunQueryRequest page;
      *page.mutable_query() = query;
      page.mutable_explain_options()->set_analyze(true);
      const auto reply = client.call(&v1::Datastore::Stub::RunQuery, page);
      for (const v1::EntityResult& result : reply->batch().entity_results()) {
        EXPECT_TRUE(found.insert(result.entity().key().SerializeAsString()).second);
      }
      EXPECT_LE(cost_of(reply->explain_metrics()).index_rows, rows);
      more = reply->batch().entity_results_size() == 10;
      query.set_start_cursor(reply->batch().end_cursor());
    }
    EXPECT_EQ(static_cast<int>(found.size()), results);
  }
}

TEST_F(IndexTest, AggregationsStayInTheIndex) {
  const std::vector<std::tuple<std::string, std::int64_t, Cost>> cases = {
      {"SELECT COUNT(*) FROM K", 400, {0, 400, 1}},
      {"SELECT COUNT(*) FROM K WHERE n >= 100", 300, {0, 300, 1}},
      {"SELECT COUNT(*) FROM K WHERE ten = 3", 40, {0, 40, 1}},
      {"SELECT SUM(n) FROM K WHERE n < 4", 6, {0, 4, 1}},
      {"AGGREGATE SUM(n) OVER (SELECT * FROM K LIMIT 5)", 10, {0, 5, 1}},
      {"AGGREGATE COUNT(*) OVER (SELECT * FROM K ORDER BY n DESC LIMIT 5)", 5, {0, 5, 1}},
      {"SELECT COUNT(*) FROM K WHERE both > 395", 400, {404, 404, 1}},
      {"SELECT COUNT(*) FROM K WHERE even = TRUE AND n > 395", 2, {0, 10, 1}},
      {"SELECT SUM(n) FROM K WHERE even = TRUE AND n > 395", 396 + 398, {0, 10, 1}},
      {"SELECT SUM(n) FROM K WHERE even = TRUE", 200 * 199, {0, 1000, 1}},
      {"AGGREGATE SUM(ten) OVER (SELECT __key__ FROM K WHERE ten = 3)", 120, {40, 440, 1}},
      {"AGGREGATE COUNT(*) OVER (SELECT * FROM K WHERE ten = 3 ORDER BY even, n)", 40, {40, 40, 1}},
      {"SELECT COUNT_UP_TO(10) FROM K", 10, {0, 10, 1}},
      {"SELECT COUNT_UP_TO(0) FROM K", 0, {0, 0, 1}},
      {"SELECT COUNT_UP_TO(7) FROM K WHERE n >= 100", 7, {0, 7, 1}},
      {"SELECT COUNT_UP_TO(3), COUNT_UP_TO(9) FROM K", 3, {0, 9, 1}},
      {"SELECT COUNT_UP_TO(3), COUNT(*) FROM K", 3, {0, 400, 1}},
      {"SELECT COUNT_UP_TO(3), SUM(n) FROM K", 3, {0, 400, 1}},
      {"AGGREGATE COUNT_UP_TO(6) OVER (SELECT * FROM K LIMIT 4 OFFSET 5)", 4, {0, 9, 1}},
      {"AGGREGATE COUNT_UP_TO(4) OVER (SELECT * FROM K LIMIT 6 OFFSET 5)", 4, {0, 9, 1}},
      {"AGGREGATE COUNT(*) OVER (SELECT * FROM K ORDER BY ten, n LIMIT 5)", 5, {5, 5, 1}},
  };
  for (const auto& [gql, value, cost] : cases) {
    const v1::RunAggregationQueryResponse reply = aggregate(gql);
    EXPECT_EQ(reply.batch().aggregation_results(0).aggregate_properties().at("property_1").integer_value(), value)
        << gql;
    Cost got = cost_of(reply.explain_metrics());
    EXPECT_LE(got.entities, cost.entities) << gql;
    EXPECT_LE(got.index_rows, cost.index_rows) << gql;
  }
}

TEST_F(IndexTest, TransactionsLockWhatTheEqualitiesLeave) {
  v1::RunQueryRequest query = request("SELECT * FROM K WHERE even = TRUE AND n > 390");
  const std::string transaction = client_.begin();
  query.mutable_read_options()->set_transaction(transaction);
  EXPECT_EQ(client_.call(&v1::Datastore::Stub::RunQuery, query)->batch().entity_results_size(), 4);
  const v1::Key odd = key("K", 396);
  const v1::Entity before = client_.lookup({odd})->found(0).entity();
  EXPECT_TRUE(client_.commit({upsert(before)}).ok()) << "its n is among those, but it is not even";
  EXPECT_TRUE(client_.commit(transaction, {upsert(entity(key("L", 1)))}).ok());
  EXPECT_TRUE(client_.commit({erase(key("L", 1))}).ok());
}

TEST_F(IndexTest, TransactionsReadTheSameIndexes) {
  const std::vector<std::string> queries = {
      "SELECT SUM(n) FROM K WHERE __key__ HAS ANCESTOR KEY(Root, 1)",
      "SELECT COUNT(*) FROM K WHERE even = TRUE AND n > 390",
      "SELECT SUM(n) FROM K WHERE ten = 3",
  };
  for (const std::string& gql : queries) {
    v1::RunAggregationQueryRequest request;
    request.mutable_gql_query()->set_query_string(gql);
    request.mutable_gql_query()->set_allow_literals(true);
    request.mutable_explain_options()->set_analyze(true);
    const auto outside = client_.call(&v1::Datastore::Stub::RunAggregationQuery, request);
    const std::string transaction = client_.begin();
    request.mutable_read_options()->set_transaction(transaction);
    const auto within = client_.call(&v1::Datastore::Stub::RunAggregationQuery, request);
    EXPECT_EQ(cost_of(within->explain_metrics()), cost_of(outside->explain_metrics())) << gql;
    EXPECT_EQ(within->batch().aggregation_results(0).SerializeAsString(),
              outside->batch().aggregation_results(0).SerializeAsString());
    EXPECT_TRUE(client_.rollback(transaction).ok());
  }
}

// What an ordered query in a transaction has read does not change, though it was found by the index of the order.
TEST_F(IndexTest, TransactionsLockWhatTheIndexLeadsTo) {
  const auto server = LocalDatastore::start({.lock_timeout = std::chrono::milliseconds(50)});
  DatastoreClient client(*server);
  const auto put = [&](std::int64_t id, std::int64_t group, std::int64_t n) {
    return client.commit({upsert(entity(key("K", id), {{"g", integer(group)}, {"n", integer(n)}}))}).ok();
  };
  ASSERT_TRUE(put(1, 1, 5) && put(2, 2, 6));
  v1::RunQueryRequest query = request("SELECT * FROM K WHERE g = 1 ORDER BY n LIMIT 1");
  const std::string transaction = client.begin();
  query.mutable_read_options()->set_transaction(transaction);
  EXPECT_EQ(client.call(&v1::Datastore::Stub::RunQuery, query)->batch().entity_results_size(), 1);
  EXPECT_FALSE(put(1, 1, 7)) << "its order would change";
  EXPECT_FALSE(put(3, 1, 1)) << "it would be the first one";
  EXPECT_FALSE(put(2, 1, 6)) << "it would come into the group";
  EXPECT_TRUE(put(2, 2, 7)) << "of another group";
  EXPECT_TRUE(client.rollback(transaction).ok());
  EXPECT_TRUE(put(3, 1, 1));
}

TEST_F(IndexTest, SortedResultsKeepFewEntities) {
  const std::string entity(6, 'e');
  for (const std::size_t count : {local::kAllResults, std::size_t{3}}) {
    local::SortedResults sorted(count, 15);
    for (int i = 9; i > 0; --i) {
      sorted.add({.sort_key = std::to_string(i), .path = std::to_string(i), .stored = {.entity = entity}});
    }
    local::QueryPlan plan;
    std::size_t bytes = 0;
    std::string paths;
    const local::ConsumeResult consume = [&](const local::QueryResult& result) {
      bytes += result.stored.entity.size();
      paths += result.path;
      return true;
    };
    local::DistinctResults distinct(plan, consume);
    EXPECT_TRUE(sorted.hand_on(distinct));
    EXPECT_EQ(paths, count == 3 ? "123" : "123456789");
    EXPECT_EQ(bytes, 12);
  }
}

TEST_F(IndexTest, ExplainNamesTheIndexes) {
  const auto indexes = [&](const std::string& gql) {
    v1::RunQueryRequest planned = request(gql);
    planned.mutable_explain_options()->set_analyze(false);
    const auto reply = client_.call(&v1::Datastore::Stub::RunQuery, planned);
    EXPECT_FALSE(reply->has_batch()) << "a plan, no results";
    EXPECT_FALSE(reply->explain_metrics().has_execution_stats());
    std::vector<std::string> out;
    for (const auto& index : reply->explain_metrics().plan_summary().indexes_used()) {
      out.push_back(index.fields().at("properties").string_value() + " " +
                    index.fields().at("query_scope").string_value());
    }
    return out;
  };
  EXPECT_THAT(indexes("SELECT * FROM K WHERE __key__ HAS ANCESTOR KEY(Root, 1)"),
              ElementsAre("(__name__ ASC) Collection group"));
  EXPECT_THAT(indexes("SELECT * FROM K WHERE n > 3 AND __key__ HAS ANCESTOR KEY(Root, 1)"),
              ElementsAre("(n ASC, __name__ ASC) Includes ancestors"));
  EXPECT_THAT(indexes("SELECT * FROM K ORDER BY n DESC"), ElementsAre("(n DESC, __name__ ASC) Collection group"));
  EXPECT_THAT(indexes("SELECT * FROM K WHERE n = 3 AND ten = 4"),
              ElementsAre("(n ASC, __name__ ASC) Collection group", "(ten ASC, __name__ ASC) Collection group"));
  const auto analyzed = run("SELECT * FROM K LIMIT 7");
  EXPECT_EQ(analyzed->explain_metrics().execution_stats().read_operations(), 7);
  EXPECT_GT(analyzed->explain_metrics().execution_stats().execution_duration().nanos(), 0);
}

TEST_F(IndexTest, MetadataKindsSayWhatThereIs) {
  v1::Key elsewhere = key("L", "x");
  elsewhere.mutable_partition_id()->set_namespace_id("ns");
  v1::Value blob;
  blob.set_blob_value("b");
  ASSERT_TRUE(client_
                  .commit({upsert(entity(
                      elsewhere, {{"p", array({null(), text("s"), real(1), blob})}, {"q", unindexed(integer(1))}}))})
                  .ok());
  EXPECT_THAT(names("SELECT * FROM __namespace__"), ElementsAre("1", "ns"));
  EXPECT_THAT(names("SELECT * FROM __namespace__ WHERE __key__ > KEY(__namespace__, 1)"), ElementsAre("ns"));
  EXPECT_THAT(names("SELECT * FROM __kind__"), ElementsAre("K"));
  EXPECT_THAT(names("SELECT __key__ FROM __property__"), ElementsAre("both", "even", "n", "ten"));
  EXPECT_THAT(names("SELECT * FROM __property__ WHERE __key__ HAS ANCESTOR KEY(__kind__, 'Nobody')"), ElementsAre());
  EXPECT_THAT(names("SELECT __key__ FROM __property__ WHERE __key__ >= KEY(__kind__, 'K', __property__, 'n')"),
              ElementsAre("n", "ten"));
  v1::RunQueryRequest properties = request("SELECT * FROM __property__");
  properties.mutable_partition_id()->set_namespace_id("ns");
  const auto reply = client_.call(&v1::Datastore::Stub::RunQuery, properties);
  ASSERT_EQ(reply->batch().entity_results_size(), 1) << "what is not indexed is not listed";
  std::vector<std::string> types;
  const v1::Entity& p = reply->batch().entity_results(0).entity();
  for (const v1::Value& type : p.properties().at("property_representation").array_value().values()) {
    types.push_back(type.string_value());
  }
  EXPECT_THAT(types, ElementsAre("DOUBLE", "NULL", "STRING"));

  const auto totals = run("SELECT * FROM __Stat_Total__");
  const auto& total = totals->batch().entity_results(0).entity().properties();
  EXPECT_EQ(total.at("count").integer_value(), 401);
  EXPECT_GT(total.at("bytes").integer_value(), total.at("builtin_index_bytes").integer_value());
  EXPECT_THAT(names("SELECT * FROM __Stat_Kind__ ORDER BY count"), ElementsAre("L", "K"));
  v1::RunQueryRequest latest = request("SELECT * FROM __Stat_Kind__ WHERE kind_name = 'K' AND timestamp = @1");
  *latest.mutable_gql_query()->add_positional_bindings()->mutable_value() = total.at("timestamp");
  EXPECT_EQ(client_.call(&v1::Datastore::Stub::RunQuery, latest)->batch().entity_results_size(), 1)
      << "read later, with the same timestamp";
  EXPECT_THAT(names("SELECT * FROM __Stat_Ns_Total__"), ElementsAre());
  ASSERT_TRUE(client_.commit({erase(elsewhere)}).ok());
  EXPECT_THAT(names("SELECT * FROM __namespace__"), ElementsAre("1"));
}

}  // namespace
}  // namespace ndb::testing
