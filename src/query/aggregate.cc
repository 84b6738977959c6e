#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/call_rpc.h"
#include "context/context_impl.h"
#include "ndb/aggregation.h"
#include "ndb/detail/query_calls.h"
#include "query/explain.h"
#include "query/request.h"

namespace ndb {
namespace {

using Kind = detail::Aggregation::Kind;

std::string alias(std::size_t i) { return cat("a", i); }

absl::Status fill(const detail::Aggregation& asked, wire::AggregationQuery::Aggregation& one) {
  if (asked.kind == Kind::kCount) {
    one.mutable_count();
    if (asked.up_to <= static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) {
      one.mutable_count()->mutable_up_to()->set_value(static_cast<std::int64_t>(asked.up_to));
    }
    return absl::OkStatus();
  }
  if (asked.property.empty()) return bad_query("a sum or average names no property");
  (asked.kind == Kind::kSum ? one.mutable_sum()->mutable_property() : one.mutable_avg()->mutable_property())
      ->set_name(asked.property);
  return absl::OkStatus();
}

absl::StatusOr<wire::RunAggregationQueryResponse> send(Context::Impl& context, const detail::QuerySpec& spec,
                                                       wire::RunAggregationQueryRequest request,
                                                       const Options& options) {
  request.set_database_id(context.workspace->database());
  NDB_ASSIGN_OR_RETURN(*request.mutable_read_options(), read_options(context, spec, options));
  NDB_ASSIGN_OR_RETURN(*request.mutable_partition_id(), partition_of(context, spec));
  ++context.counts().queries;
  const context::RpcOptions rpc = context.rpc(options);
  return context::call_rpc(*context.workspace, rpc.bounds, &datastore::Stub::run_aggregation_query, std::move(request),
                           rpc.call());
}

absl::StatusOr<std::map<std::string, Value>> run(Context::Impl& context, const detail::QuerySpec& spec,
                                                 wire::RunAggregationQueryRequest request, const Options& options) {
  NDB_ASSIGN_OR_RETURN(const wire::RunAggregationQueryResponse response,
                       send(context, spec, std::move(request), options));
  std::map<std::string, Value> values;
  for (const wire::AggregationResult& result : response.batch().aggregation_results()) {
    for (const auto& [name, bytes] : result.aggregate_properties()) {
      NDB_ASSIGN_OR_RETURN(values[name], detail::decode_value(bytes));
    }
  }
  return values;
}

absl::StatusOr<wire::RunAggregationQueryRequest> request_of(const Context::Impl& context, const detail::QuerySpec& spec,
                                                            std::span<const detail::Aggregation> aggregations) {
  wire::RunAggregationQueryRequest request;
  if (!spec.gql.empty()) {
    NDB_ASSIGN_OR_RETURN(*request.mutable_gql_query(), gql_message(context, spec));
    return request;
  }
  wire::AggregationQuery& query = *request.mutable_aggregation_query();
  NDB_ASSIGN_OR_RETURN(*query.mutable_nested_query(), query_message(context, spec));
  if (spec.limit != kNoLimit) {
    query.mutable_nested_query()->mutable_limit()->set_value(
        static_cast<std::int32_t>(std::min<std::size_t>(spec.limit, std::numeric_limits<std::int32_t>::max())));
  }
  for (std::size_t i = 0; i < aggregations.size(); ++i) {
    wire::AggregationQuery::Aggregation& one = *query.add_aggregations();
    one.set_alias(alias(i));
    NDB_RETURN_IF_ERROR(fill(aggregations[i], one));
  }
  return request;
}

std::string name_of(const detail::Aggregation& asked) {
  return cat(asked.kind == Kind::kSum ? "the sum of " : "the average of ", quoted(asked.property));
}

}  // namespace

std::vector<Value> detail::aggregate(const QuerySpec& spec, std::span<const Aggregation> aggregations,
                                     const Options& options) {
  const context::Call call;
  const auto ask = [&]() -> absl::StatusOr<std::vector<Value>> {
    NDB_ASSIGN_OR_RETURN(wire::RunAggregationQueryRequest request, request_of(call.impl, spec, aggregations));
    NDB_ASSIGN_OR_RETURN(auto by_name, run(call.impl, spec, std::move(request), options));
    std::vector<Value> values;
    for (std::size_t i = 0; i < aggregations.size(); ++i) {
      const auto found = by_name.find(alias(i));
      if (found == by_name.end()) return absl::InternalError("the Datastore left an aggregation out of its answer");
      values.push_back(std::move(found->second));
    }
    return values;
  };
  absl::StatusOr<std::vector<Value>> values = ask();
  throw_if_error(in_query(values.status(), spec));
  return *std::move(values);
}

std::map<std::string, Value> detail::aggregate_gql(const QuerySpec& spec, const Options& options) {
  const context::Call call;
  const auto ask = [&]() -> absl::StatusOr<std::map<std::string, Value>> {
    NDB_ASSIGN_OR_RETURN(wire::RunAggregationQueryRequest request, request_of(call.impl, spec, {}));
    return run(call.impl, spec, std::move(request), options);
  };
  absl::StatusOr<std::map<std::string, Value>> values = ask();
  throw_if_error(in_query(values.status(), spec));
  return *std::move(values);
}

ExplainMetrics detail::explain_aggregate(const QuerySpec& spec, std::span<const Aggregation> aggregations,
                                         const ExplainOptions& explain) {
  const context::Call call;
  const auto ask = [&]() -> absl::StatusOr<ExplainMetrics> {
    NDB_ASSIGN_OR_RETURN(wire::RunAggregationQueryRequest request, request_of(call.impl, spec, aggregations));
    request.mutable_explain_options()->set_analyze(explain.analyze);
    NDB_ASSIGN_OR_RETURN(const wire::RunAggregationQueryResponse response,
                         send(call.impl, spec, std::move(request), explain.options));
    ExplainMetrics metrics;
    NDB_RETURN_IF_ERROR(add_metrics(response.explain_metrics(), metrics));
    return metrics;
  };
  absl::StatusOr<ExplainMetrics> metrics = ask();
  throw_if_error(in_query(metrics.status(), spec));
  return *std::move(metrics);
}

std::int64_t detail::integer_sum(const Aggregation& asked, const Value& value) {
  if (asked.kind == Aggregation::Kind::kCount || value.type() == ValueType::kInt64) return value.as_int64();
  throw BadValueError(cat(name_of(asked), " is ", value.to_string(),
                          ", which is no int64: it is too large, or a double is stored; ask by the property's name"));
}

double detail::number(const Aggregation& asked, const Value& value) {
  if (value.type() == ValueType::kInt64) return static_cast<double>(value.as_int64());
  if (value.type() == ValueType::kDouble) return value.as_double();
  throw BadValueError(cat(name_of(asked), " is ", value.to_string(), ", which is no number"));
}

}  // namespace ndb
