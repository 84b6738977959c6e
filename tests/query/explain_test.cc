// explain() and explain_aggregate(): the plan of a query, and what a run of it took.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <sstream>
#include <string>

#include "ndb/wire/datastore.pb.h"
#include "ndb/wire/explain.pb.h"
#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

namespace wire = ndb::wire;

class Tree : public ndb::Model<Tree> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t height = 0;
  };
  NDB_MODEL(name, height)
};

class Explain : public Tiers {
 protected:
  static void put_trees(int count) {
    for (int i = 0; i < count; ++i) Tree::make({.name = "oak", .height = i}, ndb::id(i + 1)).put();
  }
  // Lets every query be answered with these metrics.
  void answer_with(const std::string& metrics) const {
    stub_->answer = [metrics](const wire::RunQueryRequest&) {
      wire::RunQueryResponse response;
      response.mutable_batch()->set_more_results(wire::QueryResultBatch::NO_MORE_RESULTS);
      response.set_explain_metrics(metrics);
      return response;
    };
  }
  static absl::Status error_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const ndb::Error& error) {
      return error.status();
    }
    return absl::OkStatus();
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
};

TEST_F(Explain, ThePlanNamesTheIndexesAndRunsNothing) {
  in_new_context(client_, [&] {
    put_trees(3);
    const auto query = Tree::query(Tree::height > 0).order(-Tree::height);
    const ndb::ExplainMetrics plan = query.explain();
    EXPECT_THAT(plan.indexes_used, ElementsAre(ElementsAre(Pair("properties", "(height DESC, __name__ ASC)"),
                                                           Pair("query_scope", "Collection group"))));
    EXPECT_FALSE(plan.execution_stats);
    EXPECT_EQ(plan.to_string(), "index used: properties (height DESC, __name__ ASC), query_scope Collection group");
    std::ostringstream printed;
    printed << query.explain_async().get();
    EXPECT_EQ(printed.str(), plan.to_string());
    EXPECT_THAT(query.explain({.options = {.read_consistency = ndb::ReadConsistency::kEventual}}).indexes_used,
                ElementsAre(testing::_));
  });
}

TEST_F(Explain, AnalyzeMeasuresAllBatches) {
  in_new_context(client_, [&] {
    put_trees(5);
    stub_->batch_size = 2;
    const ndb::ExplainMetrics metrics = Tree::query().explain({.analyze = true});
    EXPECT_EQ(stub_->requests.size(), 3u);
    ASSERT_TRUE(metrics.execution_stats);
    EXPECT_EQ(metrics.indexes_used.size(), 1u);
    EXPECT_EQ(metrics.execution_stats->results_returned, 5);
    EXPECT_EQ(metrics.execution_stats->read_operations, 5);
    EXPECT_GT(metrics.execution_stats->execution_duration.count(), 0);
    EXPECT_EQ(metrics.execution_stats->debug_stats.at("billing_details.documents_billable"), "5");
    EXPECT_THAT(metrics.to_string(), HasSubstr("\nresults returned: 5\nread operations: 5\nexecution duration: "));
    EXPECT_THAT(metrics.to_string(), HasSubstr("\ndebug stats: billing_details.documents_billable 5, "));
    EXPECT_EQ(Tree::query().limit(3).explain({.analyze = true}).execution_stats->results_returned, 3);
    EXPECT_EQ(Tree::query().limit(0).explain({.analyze = true}).execution_stats->results_returned, 0);
    EXPECT_EQ(Tree::query().offset(4).explain({.analyze = true}).execution_stats->results_returned, 1);
  });
}

TEST_F(Explain, EveryKindOfQuery) {
  in_new_context(client_, [&] {
    put_trees(2);
    const ndb::ExplainOptions analyze{.analyze = true};
    const auto keys = Tree::query().keys_only().explain(analyze);
    EXPECT_EQ(keys.execution_stats->debug_stats.at("billing_details.small_ops"), "2");
    EXPECT_EQ(Tree::query().project(Tree::name).explain(analyze).execution_stats->results_returned, 2);
    EXPECT_EQ(ndb::query("Tree").explain(analyze).execution_stats->results_returned, 2);
    EXPECT_EQ(Tree::gql("WHERE height >= @1", 1).explain(analyze).execution_stats->results_returned, 1);
    EXPECT_THAT(Tree::gql("WHERE height >= @1", 1).explain().to_string(), HasSubstr("(height ASC, __name__ ASC)"));
    ndb::transaction([&] { EXPECT_EQ(Tree::query().ancestor(ndb::key<Tree>(1)).explain().indexes_used.size(), 1u); });
  });
}

TEST_F(Explain, Aggregations) {
  in_new_context(client_, [&] {
    put_trees(3);
    const auto query = Tree::query(Tree::height >= 1);
    EXPECT_FALSE(query.explain_aggregate({}, ndb::count()).execution_stats);
    const ndb::ExplainMetrics metrics =
        query.explain_aggregate({.analyze = true}, ndb::count(), ndb::sum(Tree::height));
    EXPECT_THAT(metrics.to_string(), HasSubstr("(height ASC, __name__ ASC)"));
    EXPECT_EQ(metrics.execution_stats->results_returned, 1);
    EXPECT_EQ(metrics.execution_stats->read_operations, 1);
    EXPECT_FALSE(query.explain_aggregate_async({}, ndb::count()).get().indexes_used.empty());

    const auto gql = ndb::gql("SELECT COUNT(*) FROM Tree WHERE height > 0");
    EXPECT_EQ(gql.explain_aggregate().to_string(), gql.explain_aggregate_async().get().to_string());
    EXPECT_EQ(gql.explain_aggregate({.analyze = true}).execution_stats->results_returned, 1);
    EXPECT_EQ(stub_->requests.size(), 0u);
  });
}

TEST_F(Explain, LeavesTheContextCacheAndErrorHandlersAlone) {
  in_new_context(client_, [&] {
    ndb::Entity::make("Tree", ndb::id(1), {{"height", "tall"}}).put();  // does not fit the class
  });
  const auto counts = in_new_context(client_, [&] {
    const auto query = Tree::query().on_error([](const ndb::Key&, const absl::Status& s) { ADD_FAILURE() << s; });
    EXPECT_EQ(query.explain({.analyze = true}).execution_stats->results_returned, 1);
    EXPECT_EQ(ndb::Key("Tree", ndb::id(1)).get<ndb::Entity>()["height"].as_string(), "tall");
  });
  EXPECT_EQ(counts.cache_hits, 0);
  EXPECT_EQ(counts.queries, 1);
}

TEST_F(Explain, ErrorsNameTheQuery) {
  in_new_context(client_, [&] {
    answer_with("");
    absl::Status status = error_of([] { Tree::query().explain(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(status.message()), HasSubstr("query of kind \"Tree\": this Datastore does not explain"));
    answer_with("\x0a\xff");
    status = error_of([] { Tree::query().explain({.analyze = true}); });
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    stub_->answer_aggregation = [](const auto&) { return wire::RunAggregationQueryResponse(); };
    status = error_of([] { Tree::query().explain_aggregate({}, ndb::count()); });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);

    stub_->answer = nullptr;
    status = error_of([] { ndb::gql("SELECT * FRM Tree").explain(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 1, column 10"));
    EXPECT_THROW(Tree::query(ndb::Filter("", ndb::Op::kEqual, 1)).explain(), ndb::BadFilterError);
    EXPECT_THROW(ndb::gql("SELECT __key__ FROM Tree").explain({.analyze = true}), ndb::BadQueryError);
    EXPECT_THROW(Tree::query().explain({.options = {.deadline = std::chrono::milliseconds(0)}}), ndb::BadArgumentError);
  });
}

// Values of all types by path, and numbers that no sum can hold.
TEST_F(Explain, TakesWhateverTheDatastoreSays) {
  wire::ExplainMetrics metrics;
  wire::ExecutionStats& stats = *metrics.mutable_execution_stats();
  stats.set_results_returned(std::numeric_limits<std::int64_t>::max());
  stats.set_read_operations(std::numeric_limits<std::int64_t>::min());
  stats.mutable_execution_duration()->set_seconds(std::numeric_limits<std::int64_t>::max());
  auto& fields = *stats.mutable_debug_stats()->mutable_fields();
  fields["many"].set_string_value("9223372036854775807");
  fields["share"].set_number_value(0.5);
  fields["sure"].set_bool_value(true);
  fields["none"].set_null_value(wire::NULL_VALUE);
  fields["list"].mutable_list_value()->add_values()->set_string_value("a");
  (*(*fields["in"].mutable_struct_value()->mutable_fields())["side"].mutable_struct_value()->mutable_fields())["n"]
      .set_string_value("7");
  stub_->answer = [&](const wire::RunQueryRequest& request) {
    wire::RunQueryResponse response;
    response.mutable_batch()->set_more_results(request.query().start_cursor().empty()
                                                   ? wire::QueryResultBatch::NOT_FINISHED
                                                   : wire::QueryResultBatch::NO_MORE_RESULTS);
    response.mutable_batch()->set_end_cursor("there");
    response.mutable_batch()->add_entity_results();
    response.set_explain_metrics(metrics.SerializeAsString());
    return response;
  };
  in_new_context(client_, [&] {
    const ndb::ExplainMetrics sum = Tree::query().explain({.analyze = true});
    EXPECT_THAT(sum.indexes_used, IsEmpty());
    EXPECT_THAT(sum.to_string(), HasSubstr("no index used\nresults returned: 9223372036854775807\n"));
    EXPECT_EQ(sum.execution_stats->read_operations, std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(sum.execution_stats->execution_duration, std::chrono::seconds(2'000'000'000));
    EXPECT_THAT(sum.execution_stats->debug_stats,
                ElementsAre(Pair("in.side.n", "14"), Pair("list.0", "a"), Pair("many", "9223372036854775807"),
                            Pair("none", "null"), Pair("share", "0.5"), Pair("sure", "true")));
  });
}

}  // namespace
