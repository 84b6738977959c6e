// GQL text, compared with the query messages that it stands for.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <random>

#include "local_datastore/datastore_client.h"
#include "local_datastore/gql/parser.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

using local::parse_gql_aggregation;
using local::parse_gql_query;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class Message>
Message from_text(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

v1::GqlQuery gql(const std::string& text) {
  v1::GqlQuery out;
  out.set_query_string(text);
  out.set_allow_literals(true);
  return out;
}

// @1 is 7, if the text uses it, @name the text "x", @list an array, @start the cursor "c", @end the cursor "e".
v1::GqlQuery bound(const std::string& text) {
  v1::GqlQuery out = gql(text);
  if (text.find("@1") != std::string::npos) *out.add_positional_bindings()->mutable_value() = integer(7);
  auto& named = *out.mutable_named_bindings();
  *named["name"].mutable_value() = ::ndb::testing::text("x");
  *named["list"].mutable_value() = array({integer(1), integer(2)});
  named["start"].set_cursor("c");
  named["end"].set_cursor("e");
  return out;
}

v1::PartitionId in_namespace() { return from_text<v1::PartitionId>("project_id: 'p' namespace_id: 'ns'"); }

TEST(GqlTest, TextIsAQuery) {
  const std::string a_is_1 = "property_filter { property { name: 'a' } op: EQUAL value { integer_value: 1 } }";
  const std::string b_is_2 = "property_filter { property { name: 'b' } op: EQUAL value { integer_value: 2 } }";
  const std::string c_is_3 = "property_filter { property { name: 'c' } op: EQUAL value { integer_value: 3 } }";
  const auto filter = [](const std::string& op, const std::string& value, const std::string& property = "p") {
    return "filter { property_filter { property { name: '" + property + "' } op: " + op + " value { " + value +
           " } } }";
  };
  struct Case {
    std::string text;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"SELECT *", ""},
      {"select * from K", "kind { name: 'K' }"},
      {"SELECT __key__ FROM K", "projection { property { name: '__key__' } } kind { name: 'K' }"},
      {"SELECT a, K.b.c, `x y`.d FROM K",
       "projection { property { name: 'a' } } projection { property { name: 'b.c' } }"
       "projection { property { name: 'x y.d' } } kind { name: 'K' }"},
      {"SELECT DISTINCT a FROM K",
       "projection { property { name: 'a' } } distinct_on { name: 'a' } kind { name: 'K' }"},
      {"SELECT DISTINCT ON (a, b) * FROM K", "distinct_on { name: 'a' } distinct_on { name: 'b' } kind { name: 'K' }"},
      {"SELECT DISTINCT ON (a) b FROM K",
       "projection { property { name: 'b' } } distinct_on { name: 'a' } kind { name: 'K' }"},
      {"SELECT * FROM `order` ORDER BY a DESC, `select`, b ASC",
       "kind { name: 'order' } order { property { name: 'a' } direction: DESCENDING }"
       "order { property { name: 'select' } direction: ASCENDING }"
       "order { property { name: 'b' } direction: ASCENDING }"},
      {"SELECT * WHERE count = 1", filter("EQUAL", "integer_value: 1", "count")},
      {"SELECT * WHERE key.first = 1", filter("EQUAL", "integer_value: 1", "key.first")},

      {"SELECT * WHERE a = 1 AND b = 2 OR c = 3",
       "filter { composite_filter { op: OR filters { composite_filter { op: AND filters {" + a_is_1 + "} filters {" +
           b_is_2 + "} } } filters {" + c_is_3 + "} } }"},
      {"SELECT * WHERE a = 1 AND (b = 2 OR c = 3)", "filter { composite_filter { op: AND filters {" + a_is_1 +
                                                        "} filters { composite_filter { op: OR filters {" + b_is_2 +
                                                        "} filters {" + c_is_3 + "} } } } }"},
      {"SELECT * WHERE ((a = 1))", "filter { " + a_is_1 + "}"},
      {"SELECT * WHERE p IS NULL", filter("EQUAL", "null_value: NULL_VALUE")},
      {"SELECT * WHERE p = NULL", filter("EQUAL", "null_value: NULL_VALUE")},
      {"SELECT * WHERE p CONTAINS 'x'", filter("EQUAL", "string_value: 'x'")},
      {"SELECT * WHERE 'x' IN p", filter("EQUAL", "string_value: 'x'")},
      {"SELECT * WHERE p IN ARRAY(1, 'x')",
       filter("IN", "array_value { values { integer_value: 1 } values { string_value: 'x' } }")},
      {"SELECT * WHERE p NOT IN ARRAY(1)", filter("NOT_IN", "array_value { values { integer_value: 1 } }")},
      {"SELECT * WHERE p != TRUE", filter("NOT_EQUAL", "boolean_value: true")},
      {"SELECT * WHERE p<1", filter("LESS_THAN", "integer_value: 1")},
      {"SELECT * WHERE p <= 1", filter("LESS_THAN_OR_EQUAL", "integer_value: 1")},
      {"SELECT * WHERE p>-1", filter("GREATER_THAN", "integer_value: -1")},
      {"SELECT * WHERE 1 < p", filter("GREATER_THAN", "integer_value: 1")},
      {"SELECT * WHERE 1 >= p", filter("LESS_THAN_OR_EQUAL", "integer_value: 1")},
      {"SELECT * WHERE 1 != p", filter("NOT_EQUAL", "integer_value: 1")},
      {"SELECT * WHERE __key__ HAS ANCESTOR KEY(A, 1, B, 'x')",
       filter("HAS_ANCESTOR",
              "key_value { partition_id { project_id: 'p' namespace_id: 'ns' } path { kind: 'A' id: 1 }"
              "path { kind: 'B' name: 'x' } }",
              "__key__")},
      {"SELECT * WHERE KEY(PROJECT('q'), NAMESPACE(''), `A B`, -5) HAS DESCENDANT __key__",
       filter("HAS_ANCESTOR",
              "key_value { partition_id { project_id: 'q' namespace_id: '' } path { kind: 'A B' id: -5 } }",
              "__key__")},

      {"SELECT * WHERE p = 9223372036854775807", filter("EQUAL", "integer_value: 9223372036854775807")},
      {"SELECT * WHERE p = -9223372036854775808", filter("EQUAL", "integer_value: -9223372036854775808")},
      {"SELECT * WHERE p = .5", filter("EQUAL", "double_value: 0.5")},
      {"SELECT * WHERE p = 3.", filter("EQUAL", "double_value: 3")},
      {"SELECT * WHERE p = -6e23", filter("EQUAL", "double_value: -6e23")},
      {"SELECT * WHERE p = \"it's \"\"\\n\\%\\\\\"", filter("EQUAL", R"(string_value: "it's \"\n%\\")")},
      {"SELECT * WHERE p = 'it''s \\0\\Z'", filter("EQUAL", R"(string_value: "it's \000\032")")},
      {"SELECT * WHERE p = BLOB('_-8')", filter("EQUAL", R"(blob_value: "\377\357")")},
      {"SELECT * WHERE p = DATETIME('1970-01-01T01:00:01.5+01:00')",
       filter("EQUAL", "timestamp_value { seconds: 1 nanos: 500000000 }")},

      {"SELECT * LIMIT 5 OFFSET 3", "limit { value: 5 } offset: 3"},
      {"SELECT * LIMIT @1 OFFSET @start", "limit { value: 7 } start_cursor: 'c'"},
      {"SELECT * LIMIT @end OFFSET @start + @1", "end_cursor: 'e' start_cursor: 'c' offset: 7"},
      {"SELECT * LIMIT FIRST(@end, 5) OFFSET @start + 17",
       "limit { value: 5 } end_cursor: 'e' start_cursor: 'c' offset: 17"},
      {"SELECT * LIMIT FIRST(5, @end)", "limit { value: 5 } end_cursor: 'e'"},
      {"SELECT * WHERE p = @name", filter("EQUAL", "string_value: 'x'")},
      {"SELECT * WHERE p = @1 AND p < @1",
       "filter { composite_filter { op: AND filters { property_filter { property {"
       "name: 'p' } op: EQUAL value { integer_value: 7 } } } filters { property_filter { property { name: 'p' }"
       "op: LESS_THAN value { integer_value: 7 } } } } }"},
      {"SELECT * WHERE p IN @list",
       filter("IN", "array_value { values { integer_value: 1 } values { integer_value: 2 } }")},
  };
  for (const Case& c : cases) {
    const auto parsed = parse_gql_query(bound(c.text), in_namespace());
    ASSERT_TRUE(parsed.ok()) << c.text << ": " << parsed.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*parsed, from_text<v1::Query>(c.expected)))
        << c.text << "\n"
        << parsed->DebugString();
  }
}

TEST(GqlTest, TextIsAnAggregation) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT COUNT(*) FROM K", "aggregations { count {} } nested_query { kind { name: 'K' } }"},
      {"SELECT COUNT_UP_TO(5) AS n, SUM(K.a), AVG(b.c) AS m FROM K WHERE a = 1",
       "aggregations { count { up_to { value: 5 } } alias: 'n' } aggregations { sum { property { name: 'a' } } }"
       "aggregations { avg { property { name: 'b.c' } } alias: 'm' } nested_query { kind { name: 'K' }"
       "filter { property_filter { property { name: 'a' } op: EQUAL value { integer_value: 1 } } } }"},
      {"AGGREGATE COUNT_UP_TO(@1) AS n OVER (SELECT * FROM K ORDER BY a LIMIT 3)",
       "aggregations { count { up_to { value: 7 } } alias: 'n' } nested_query { kind { name: 'K' }"
       "order { property { name: 'a' } direction: ASCENDING } limit { value: 3 } }"},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = parse_gql_aggregation(bound(text), {});
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*parsed, from_text<v1::AggregationQuery>(expected)))
        << text << "\n"
        << parsed->DebugString();
  }
}

TEST(GqlTest, RefusalsSayWhereAndWhat) {
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"", "line 1, column 1: expected SELECT, found the end."},
      {"SELECT", "line 1, column 7: expected * or the name of a property, found the end."},
      {"SELECT * FROM", "column 14: expected the name of a kind"},
      {"SELECT *\n  FROM 5", "line 2, column 8: expected the name of a kind, found \"5\"."},
      {"SELECT a b FROM K", "column 10: expected \",\" or FROM, found \"b\"."},
      {"SELECT * FROM K WHERE", "column 22: expected a property, a value or \"(\""},
      {"SELECT * WHERE a", "column 17: expected a comparison: =, <, <=, >, >=, !=, IS NULL"},
      {"SELECT * WHERE a = b", "column 20: expected a value"},
      {"SELECT * WHERE (a = 1", "column 22: expected \")\""},
      {"SELECT * WHERE a = 1 b = 2", "column 22: expected the end of the query, found \"b\"."},
      {"SELECT * WHERE select = 1", "column 16: expected a property"},
      {"SELECT * WHERE a HAS DESCENDANT KEY(K, 1)", "column 22: expected ANCESTOR"},
      {"SELECT * WHERE a = 9223372036854775808", "expected an integer of at most 64 bits"},
      {"SELECT * LIMIT 3000000000", "expected an integer of at most 32 bits"},
      {"SELECT * WHERE a = 'x", "column 20: expected a closing '"},
      {"SELECT * WHERE a = 'x\\q'", "expected one of"},
      {"SELECT * WHERE \xc3\xa4 = ?", "column 20: unexpected character"},
      {"SELECT * WHERE a = 5x", "expected a space after the number"},
      {"SELECT * WHERE a = BLOB('?')", "expected BLOB and base64url text"},
      {"SELECT * WHERE a = DATETIME('yesterday')", "expected a DATETIME as in"},
      {"SELECT * WHERE a = DATETIME('2020-01-01T00:00:00.1234567Z')", "at most 6 digits"},
      {"SELECT * WHERE a = ARRAY(ARRAY(1))", "expected no ARRAY within an ARRAY"},
      {"SELECT * WHERE a = KEY(K)", "expected \",\""},
      {"SELECT * WHERE a = KEY(K, x)", "expected a string: a name; or an id"},
      {"SELECT * WHERE a = @", "expected a name or a number after @"},
      {"SELECT * WHERE a = @nobody", "column 20: expected a binding of that name in named_bindings"},
      {"SELECT * WHERE a = @1 AND b = @3", "expected the number of one of the 1 positional_bindings"},
      {"SELECT * WHERE a = @end", "expected the binding to have a value"},
      {"SELECT * LIMIT @name", "expected the binding to be a cursor or an integer"},
      {"SELECT * LIMIT FIRST(1, 2)", "expected FIRST to have one number and one cursor"},
      {"SELECT * OFFSET @start +17", "expected the end of the query, found \"+17\"."},
      {"SELECT * OFFSET 5 + 3", "expected OFFSET to add a number to a cursor"},
      {"SELECT COUNT(*) FROM K", "expected a query that does not aggregate"},
      {"SELECT * WHERE " + std::string(1000, '('), "no more than 50 nested parentheses"},
  };
  for (const auto& [text, expected] : refusals) {
    const auto parsed = parse_gql_query(bound(text), {});
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(expected)) << text;
  }
  for (const char* text :
       {"SELECT *", "SELECT COUNT(a) FROM K", "SELECT COUNT(*), FROM K", "AGGREGATE SUM(a) OVER SELECT *",
        "SELECT COUNT(*) AS FROM K", "SELECT COUNT_UP_TO('x') FROM K", "SELECT COUNT(*) FROM K LIMIT 1"}) {
    EXPECT_EQ(parse_gql_aggregation(gql(text), {}).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(GqlTest, LiteralsMustBeAllowedAndBindingsUsed) {
  for (const auto& [text, literal] :
       std::vector<std::pair<std::string, std::string>>{{"SELECT * WHERE a = 'x'", "'x'"},
                                                        {"SELECT * LIMIT 5", "5"},
                                                        {"SELECT * WHERE a = NULL", "NULL"},
                                                        {"SELECT * WHERE a = KEY(K, 1)", "KEY"}}) {
    v1::GqlQuery query;
    query.set_query_string(text);
    EXPECT_EQ(std::string(parse_gql_query(query, {}).status().message()), "Disallowed literal: " + literal);
  }
  v1::GqlQuery query = bound("SELECT * WHERE a = @1 AND b = @name AND c IS NULL LIMIT @1");
  query.set_allow_literals(false);
  EXPECT_TRUE(parse_gql_query(query, {}).ok()) << "unused names are fine";
  *query.add_positional_bindings()->mutable_value() = integer(1);
  EXPECT_EQ(parse_gql_query(query, {}).status().message(), "The query uses no @2, but there is a binding for it.");
  (*query.mutable_named_bindings())["__x__"];
  EXPECT_THAT(std::string(parse_gql_query(query, {}).status().message()), HasSubstr("\"__x__\""));
}

// Any text gets an answer: words in any order, and texts that are cut off anywhere.
TEST(GqlTest, InvalidTextIsRefusedAndDoesNoHarm) {
  const std::vector<std::string> words = {
      "SELECT", "*",      "FROM",      "K",    "WHERE", "a",  ".",    "=",     "(",    ")",   ",",     "ARRAY(",
      "KEY(",   "FIRST(", "@1",        "@x",   "'s",    "\"", "`n`",  "5",     "-",    "+",   "+7",    "1e",
      "1e9",    "AND",    "OR",        "NOT",  "IN",    "IS", "NULL", "ORDER", "BY",   "HAS", "LIMIT", "OFFSET",
      "AS",     "COUNT(", "AGGREGATE", "OVER", "SUM(",  "\\", "\n",   "\x00",  "\xff", "<",   "!=",    "DISTINCT"};
  const std::uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = random() % 2 == 0 ? "SELECT * FROM K WHERE " : "";
    for (std::uint64_t n = random() % 12; n > 0; --n)
      text += words[random() % words.size()] + (random() % 4 == 0 ? "" : " ");
    text.resize(text.size() - (text.empty() ? 0 : random() % 2));
    const auto parsed = parse_gql_query(gql(text), {});
    EXPECT_TRUE(parsed.ok() || parsed.status().code() == absl::StatusCode::kInvalidArgument) << text;
    (void)parse_gql_aggregation(gql(text), {});
  }
}

TEST(GqlServiceTest, BothRpcsTakeGql) {
  const auto server = LocalDatastore::start();
  DatastoreClient client(*server);
  ASSERT_TRUE(client
                  .commit({upsert(entity(key("K", "a"), {{"n", integer(1)}})),
                           upsert(entity(key("K", "b"), {{"n", integer(2)}})),
                           upsert(entity(key("K", "c"), {{"n", integer(3)}}))})
                  .ok());
  v1::RunQueryRequest request;
  *request.mutable_gql_query() = gql("SELECT n FROM K WHERE n >= 2 ORDER BY n DESC");
  const auto reply = client.call(&v1::Datastore::Stub::RunQuery, request);
  std::vector<std::int64_t> numbers;
  for (const v1::EntityResult& result : reply->batch().entity_results()) {
    numbers.push_back(result.entity().properties().at("n").integer_value());
  }
  EXPECT_THAT(numbers, ElementsAre(3, 2));
  EXPECT_EQ(reply->query().kind(0).name(), "K") << "what was parsed comes back";

  v1::RunAggregationQueryRequest aggregation;
  *aggregation.mutable_gql_query() = gql("SELECT COUNT(*) AS rows, SUM(n) FROM K");
  const auto totals = client.call(&v1::Datastore::Stub::RunAggregationQuery, aggregation);
  const auto& properties = totals->batch().aggregation_results(0).aggregate_properties();
  EXPECT_EQ(properties.at("rows").integer_value(), 3);
  EXPECT_EQ(properties.at("property_1").integer_value(), 6);
  EXPECT_EQ(totals->query().aggregations_size(), 2);

  *request.mutable_gql_query() = gql("SELEKT * FROM K");
  EXPECT_THAT(client.call(&v1::Datastore::Stub::RunQuery, request).status.error_message(),
              HasSubstr("GQL query, line 1, column 1: expected SELECT, found \"SELEKT\"."));
}

}  // namespace
}  // namespace ndb::testing
