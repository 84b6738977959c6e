// The limits of the API: what exceeds one is refused, with an error that names the limit.
#include "local_datastore/limits.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "local_datastore/datastore_client.h"
#include "local_datastore/gql/parser.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query_builders.h"

namespace ndb::testing {
namespace {

using F = v1::PropertyFilter;
using ::testing::HasSubstr;

v1::Query nested_filter(int depth) {
  v1::Filter filter = where("p", F::EQUAL, integer(1));
  for (int i = 0; i < depth; ++i) filter = all({filter});
  return of("K", filter);
}

class LimitsTest : public ::testing::Test {
 protected:
  Reply<v1::RunQueryResponse> run(const v1::GqlQuery& query) {
    v1::RunQueryRequest request;
    *request.mutable_gql_query() = query;
    return client_.call(&v1::Datastore::Stub::RunQuery, request);
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
};

TEST_F(LimitsTest, ErrorsOfQueriesNameTheLimit) {
  constexpr int kMany = 20'000;
  const v1::Filter thirty_or_more = where("a", F::IN, array(integers(30)));
  const std::string long_name(1501, 'n');
  v1::Query long_kind = of(long_name);
  const std::vector<std::pair<v1::Query, std::string>> refusals = {
      {of("K", all(equalities(101))), "more than 100 filters and orders"},
      {of("K", all(equalities(kMany))), "more than 100 filters and orders"},
      {of("K", any(equalities(31))), "more than 30 disjunctions"},
      {of("K", any(equalities(kMany))), "more than 100 filters and orders"},
      {of("K", all({thirty_or_more, where("b", F::IN, array(integers(2)))})), "more than 30 disjunctions"},
      {of("K", any({thirty_or_more, where("b", F::EQUAL, integer(2))})), "more than 30 disjunctions"},
      {of("K", where("a", F::IN, array(integers(31)))), "lists 31 values; at most 30"},
      {of("K", where("a", F::IN, array(integers(kMany)))), "lists 20000 values; at most 30"},
      {of("K", where("a", F::NOT_IN, array(integers(11)))), "lists 11 values; at most 10"},
      {of("K", where("a", F::NOT_IN, array(integers(kMany)))), "at most 10"},
      {ordered_by(101), "more than 100 filters and orders"},
      {ordered_by(kMany), "more than 100 filters and orders"},
      {projecting(101), "101 properties in its projection; an index has at most 100"},
      {projecting(kMany), "an index has at most 100"},
      {distinct_on(101), "101 properties in its distinct_on; an index has at most 100"},
      {of("K", where("a", F::EQUAL, text(std::string(1501, 'x')))), "property \"a\" is longer than 1500 bytes"},
      {of("K", where("a", F::EQUAL, unindexed(text(std::string(1501, 'x'))))), "longer than 1500 bytes"},
      {of("K", where(long_name, F::EQUAL, integer(1))), "longer than 1500 bytes"},
      {ordered(of("K"), long_name), "longer than 1500 bytes"},
      {ordered(of("K"), "a." + long_name), "longer than 1500 bytes"},
      {ordered(of("K"), repeated("", kMany, "a", ".")), "longer than 21 names"},
      {project(of("K"), {long_name}), "longer than 1500 bytes"},
      {long_kind, "The kind is longer than 1500 bytes"},
  };
  for (const auto& [query, text] : refusals) {
    const auto reply = client_.run(query);
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT) << text;
    EXPECT_THAT(reply.status.error_message(), HasSubstr(text));
  }
  const std::vector<v1::Query> accepted = {
      of("K", all(equalities(100))),
      of("K", any(equalities(30))),
      of("K", thirty_or_more),
      nested_filter(40),
      ordered_by(100),
      projecting(100),
      distinct_on(100),
  };
  for (const v1::Query& query : accepted) {
    EXPECT_TRUE(client_.run(query).ok()) << query.ShortDebugString().substr(0, 100);
  }
}

TEST(FilterLimitsTest, DepthIsBounded) {
  const auto planned = [](v1::Query query) {
    v1::PartitionId partition;
    return local::plan_query(query, partition, {.project = kProject, .database = ""}).status();
  };
  EXPECT_TRUE(planned(nested_filter(50)).ok());
  EXPECT_THAT(std::string(planned(nested_filter(51)).message()), HasSubstr("nested more than 50 deep"));
  EXPECT_THAT(std::string(planned(nested_filter(200)).message()), HasSubstr("nested more than 50 deep"));
}

// Over the wire too, where protobuf by itself would read 49 levels.
TEST_F(LimitsTest, FiltersBeyondTheDepthAreToldSo) {
  EXPECT_TRUE(client_.run(nested_filter(50)).ok());
  for (const int depth : {51, 100, 120}) {
    const auto reply = client_.run(nested_filter(depth));
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_THAT(reply.status.error_message(), HasSubstr("nested more than 50 deep"));
  }
}

TEST_F(LimitsTest, ErrorsOfGqlNameThePositionOfTheLimit) {
  v1::GqlQuery large_binding = gql("SELECT * WHERE a = @1");
  *large_binding.add_positional_bindings()->mutable_value() = text(std::string(1501, 'x'));
  v1::GqlQuery long_list = gql("SELECT * WHERE a IN @list");
  *(*long_list.mutable_named_bindings())["list"].mutable_value() = array(integers(31));
  v1::GqlQuery large_elements = gql("SELECT * WHERE a IN @list");
  *(*large_elements.mutable_named_bindings())["list"].mutable_value() = array({text(std::string(1501, 'x'))});
  const std::vector<std::pair<v1::GqlQuery, std::string>> refusals = {
      {gql(repeated("SELECT * FROM K WHERE ", 101, "p#=1", " AND ")), "expected at most 100 conditions"},
      {gql(repeated("SELECT * FROM K WHERE ", 9'000, "p#=1", " OR ")), "expected at most 100 conditions"},
      {gql(repeated("SELECT * FROM K WHERE ", 100'000, "p#=1", " OR ")), "expected at most 50000 tokens"},
      {gql(repeated("SELECT ", 101, "p#", ",") + " FROM K"), "an index has at most 100"},
      {gql(repeated("SELECT * FROM K ORDER BY ", 101, "p#", ",")), "more than 100 filters and orders"},
      {gql(repeated("SELECT * WHERE a IN ARRAY(", 31, "#", ",") + ")"), "expected at most 30 values in an ARRAY"},
      {large_binding, "line 1, column 20: expected a binding that an index can have: at most 1500 bytes"},
      {long_list, "at most 30 values in an array"},
      {large_elements, "at most 1500 bytes"},
  };
  for (const auto& [query, text] : refusals) {
    const auto reply = run(query);
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT) << text;
    EXPECT_THAT(reply.status.error_message(), HasSubstr(text));
  }
}

TEST_F(LimitsTest, FiltersNeedAValue) {
  const auto valueless = [](F::Operator op) {
    v1::Query query = of("K");
    F& filter = *query.mutable_filter()->mutable_property_filter();
    filter.mutable_property()->set_name("a");
    filter.set_op(op);
    return query;
  };
  for (const F::Operator op : {F::EQUAL, F::LESS_THAN, F::GREATER_THAN_OR_EQUAL, F::NOT_EQUAL}) {
    const auto reply = client_.run(valueless(op));
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_THAT(reply.status.error_message(), HasSubstr("property \"a\" has no value to compare with"));
  }
  EXPECT_THAT(client_.run(of("K", where("a", F::IN, array({v1::Value()})))).status.error_message(),
              HasSubstr("property \"a\" has no value to compare with"));
  EXPECT_THAT(client_.run(valueless(F::IN)).status.error_message(), HasSubstr("non-empty ArrayValue"));
  EXPECT_TRUE(client_.run(of("K", where("a", F::EQUAL, null()))).ok());
}

TEST_F(LimitsTest, NamesAreAsTheApiSays) {
  const auto put_in = [&](const std::string& name_space) {
    v1::Key where = key("K", 1);
    where.mutable_partition_id()->set_namespace_id(name_space);
    return client_.commit({upsert(entity(where))}).status;
  };
  for (const std::string& good : {std::string("a"), std::string("A-b_c.9"), std::string(100, 'x'), std::string()}) {
    EXPECT_TRUE(put_in(good).ok()) << good;
    EXPECT_TRUE(client_.run(of("K"), {}, good).ok()) << good;
  }
  for (const std::string& bad : {std::string("a b"), std::string("a/b"), std::string("a:b"), std::string("\u65e5"),
                                 std::string("a\n"), std::string("a\0", 2), std::string(101, 'x')}) {
    EXPECT_EQ(put_in(bad).error_code(), grpc::INVALID_ARGUMENT) << bad;
    EXPECT_THAT(put_in(bad).error_message(), HasSubstr("The namespace id "));
    EXPECT_EQ(client_.run(of("K"), {}, bad).status.error_code(), grpc::INVALID_ARGUMENT) << bad;
    v1::Key elsewhere = key("K", 1);
    elsewhere.mutable_partition_id()->set_namespace_id(bad);
    EXPECT_EQ(client_.commit({upsert(entity(key("K", 1), {{"k", key_value(elsewhere)}}))}).status.error_code(),
              grpc::INVALID_ARGUMENT)
        << "a key in a property: " << bad;
    DatastoreClient named(*server_, bad);
    EXPECT_EQ(named.lookup({key("K", 1)}).status.error_code(), grpc::INVALID_ARGUMENT) << "a database: " << bad;
  }

  const auto aliased = [&](const std::string& alias) {
    v1::RunAggregationQueryRequest request;
    *request.mutable_aggregation_query()->mutable_nested_query() = of("K");
    v1::AggregationQuery::Aggregation& aggregation = *request.mutable_aggregation_query()->add_aggregations();
    aggregation.mutable_count();
    aggregation.set_alias(alias);
    return client_.call(&v1::Datastore::Stub::RunAggregationQuery, request).status;
  };
  EXPECT_TRUE(aliased(std::string(1500, 'a')).ok());
  EXPECT_THAT(aliased(std::string(1501, 'a')).error_message(), HasSubstr("longer than 1500 bytes"));
  EXPECT_THAT(aliased("__x__").error_message(), HasSubstr("alias \"__x__\" is reserved"));

  for (const auto& [binding, good] : std::vector<std::pair<std::string, bool>>{{"a", true},
                                                                               {"$a_9", true},
                                                                               {"_", true},
                                                                               {"9a", false},
                                                                               {"a b", false},
                                                                               {"", false},
                                                                               {"__a__", false},
                                                                               {"\u00e4", false},
                                                                               {"a\n", false}}) {
    v1::GqlQuery query = gql("SELECT * FROM K");
    (*query.mutable_named_bindings())[binding];
    EXPECT_EQ(run(query).ok(), good) << binding;
  }
}

// Each value within an entity is indexed under its whole path.
TEST_F(LimitsTest, IndexedPathsAreBounded) {
  const std::string long_name(800, 'n');
  const auto put = [&](const v1::Value& value) {
    return client_.commit({upsert(entity(key("K", 1), {{long_name, nested({{long_name, value}})}}))}).status;
  };
  EXPECT_THAT(put(integer(1)).error_message(), HasSubstr("longer than 1500 bytes"));
  EXPECT_TRUE(put(unindexed(integer(1))).ok());
  EXPECT_TRUE(client_.commit({upsert(entity(key("K", 1), {{long_name, nested({{"short", integer(1)}})}}))}).ok());
}

TEST_F(LimitsTest, NamespaceQueriesTakeKeysOfAnyNamespace) {
  for (const char* name_space : {"Animals", "MyNs"}) {
    v1::Key where = key("K", "a");
    where.mutable_partition_id()->set_namespace_id(name_space);
    ASSERT_TRUE(client_.commit({upsert(entity(where))}).ok());
  }
  for (const char* of_query : {"", "X"}) {
    for (const char* of_key : {"", "X", "Animals"}) {
      v1::Key first = key("__namespace__", "L");
      first.mutable_partition_id()->set_namespace_id(of_key);
      for (const v1::Filter& filter : {where("__key__", F::GREATER_THAN_OR_EQUAL, key_value(first)),
                                       where("__key__", F::NOT_IN, array({key_value(first)}))}) {
        const auto reply = client_.run(of("__namespace__", filter), {}, of_query);
        std::vector<std::string> names;
        for (const auto& result : reply->batch().entity_results()) {
          names.push_back(result.entity().key().path(0).name());
          EXPECT_EQ(result.entity().key().partition_id().namespace_id(), "");
        }
        EXPECT_EQ(names.back(), "MyNs") << of_query << " " << of_key;
      }
    }
  }
}

}  // namespace
}  // namespace ndb::testing
