#include <algorithm>
#include <limits>
#include <optional>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/engine.h"
#include "local_datastore/gql/parser.h"
#include "local_datastore/limits.h"
#include "local_datastore/query/aggregation.h"
#include "local_datastore/query/cursor.h"
#include "local_datastore/query/metadata.h"
#include "local_datastore/query/profile.h"
#include "local_datastore/query/run.h"
#include "local_datastore/write/stored_bytes.h"

namespace ndb::local {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

using Batch = v1::QueryResultBatch;

// Fills one batch with results until it is full or the query is complete.
class BatchBuilder {
 public:
  // `start` is the query's start cursor, which is the end cursor of an empty batch.
  BatchBuilder(const QueryPlan& plan, const std::string& start, const ReadMask* mask, EntityReader entities,
               Batch& batch)
      : plan_(plan), mask_(mask), entities_(std::move(entities)), batch_(batch) {
    batch_.set_entity_result_type(!plan.projection.empty() ? v1::EntityResult::PROJECTION
                                  : plan.keys_only         ? v1::EntityResult::KEY_ONLY
                                                           : v1::EntityResult::FULL);
    batch_.set_end_cursor(start.empty() ? encode_cursor(plan, {}) : start);
    batch_.set_more_results(Batch::NO_MORE_RESULTS);
  }

  // How many results this batch can take, plus one that shows whether there are more.
  std::size_t needed() const {
    const int results = std::min(plan_.limit.value_or(kMaxBatchResults), kMaxBatchResults);
    return static_cast<std::size_t>(std::min(plan_.offset, kMaxBatchSkips)) + static_cast<std::size_t>(results) + 1;
  }

  // False when the batch is complete.
  bool add(const QueryResult& result) {
    if (is_past_end(plan_, result)) return stop(Batch::MORE_RESULTS_AFTER_CURSOR);
    if (batch_.skipped_results() < plan_.offset) return skip(result);
    if (at_limit()) return stop(Batch::MORE_RESULTS_AFTER_LIMIT);
    if (batch_.entity_results_size() == kMaxBatchResults || bytes_ > kMaxResponseBytes)
      return stop(Batch::NOT_FINISHED);
    return take(result);
  }

  absl::Status finish() {
    if (at_limit() && batch_.more_results() == Batch::NO_MORE_RESULTS && batch_.skipped_results() == plan_.offset) {
      batch_.set_more_results(Batch::MORE_RESULTS_AFTER_LIMIT);
    }
    return status_;
  }

 private:
  bool stop(Batch::MoreResultsType more) {
    batch_.set_more_results(more);
    return false;
  }

  bool at_limit() const { return plan_.limit.has_value() && batch_.entity_results_size() >= *plan_.limit; }

  bool skip(const QueryResult& result) {
    if (batch_.skipped_results() == kMaxBatchSkips) return stop(Batch::NOT_FINISHED);
    batch_.set_skipped_results(batch_.skipped_results() + 1);
    batch_.set_skipped_cursor(encode_cursor(plan_, result.components));
    batch_.set_end_cursor(batch_.skipped_cursor());
    return true;
  }

  bool take(const QueryResult& result) {
    StoredEntity stored;
    status_ = read(result, stored);
    if (!status_.ok()) return false;
    if (bytes_ != 0 && bytes_ + stored.entity.size() > kMaxResponseBytes) return stop(Batch::NOT_FINISHED);
    v1::EntityResult& out = *batch_.add_entity_results();
    status_ = plan_.wants_entities() ? fill_result(stored, mask_, out) : fill_projection(result, out);
    if (!status_.ok()) return false;
    out.set_cursor(encode_cursor(plan_, result.components));
    batch_.set_end_cursor(out.cursor());
    bytes_ += plan_.wants_entities() ? stored.entity.size() : out.ByteSizeLong();
    bytes_ += out.cursor().size() + 100;
    return !at_limit();
  }

  absl::Status read(const QueryResult& result, StoredEntity& stored) {
    if (!plan_.wants_entities()) return absl::OkStatus();
    stored = result.stored;
    if (!stored.entity.empty()) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(stored, entities_.read(result.path));
    return absl::OkStatus();
  }

  absl::Status fill_projection(const QueryResult& result, v1::EntityResult& out) const {
    v1::Key& key = *out.mutable_entity()->mutable_key();
    *key.mutable_partition_id() = plan_.partition_id;
    if (!decode_path(result.path, key)) return absl::DataLossError("the path of an entity is damaged");
    for (std::size_t i = 0; i < plan_.projection.size(); ++i) {
      (*out.mutable_entity()->mutable_properties())[plan_.projection[i]] = projected(result.projected[i]);
    }
    return absl::OkStatus();
  }

  // The value as an index has it: no meaning of its own, no negative zero, and a timestamp as a number of microseconds
  // with meaning 18.
  static v1::Value projected(v1::Value value) {
    value.clear_meaning();
    if (value.has_double_value()) value.set_double_value(value.double_value() + 0.0);
    if (value.has_geo_point_value()) {
      google::type::LatLng& point = *value.mutable_geo_point_value();
      point.set_latitude(point.latitude() + 0.0);
      point.set_longitude(point.longitude() + 0.0);
    }
    if (value.has_timestamp_value()) {
      value.set_integer_value(to_micros(value.timestamp_value()));
      value.set_meaning(18);
    }
    return value;
  }

  const QueryPlan& plan_;
  const ReadMask* mask_;
  EntityReader entities_;
  Batch& batch_;
  std::size_t bytes_ = 0;
  absl::Status status_;
};

}  // namespace

absl::Status Engine::results_of(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                                ReadStats& stats, const ConsumeResult& consume) const {
  if (!is_metadata(plan.kind)) return for_each_result(snapshot, plan, needed, reads, stats, consume);
  const auto find = [&](const FoundEntity& found) {
    return for_each_metadata(snapshot, plan, needed, reads, stats, found);
  };
  return for_each_result_of(snapshot.call, find, plan, needed, consume);
}

absl::Status Engine::run_query(const CallContext& call, v1::RunQueryRequest& request, v1::RunQueryResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  const Scope scope{.project = request.project_id(), .database = request.database_id()};
  NDB_RETURN_IF_ERROR(check_scope(scope));
  if (request.has_gql_query()) {
    NDB_ASSIGN_OR_RETURN(*response.mutable_query(), parse_gql_query(request.gql_query(), request.partition_id()));
    *request.mutable_query() = response.query();
  }
  if (!request.has_query()) return absl::InvalidArgumentError("A RunQuery request must have a query.");
  if (request.has_property_mask() && !request.query().projection().empty()) {
    return absl::InvalidArgumentError("A projection query cannot have a property_mask.");
  }
  NDB_ASSIGN_OR_RETURN(const std::optional<ReadMask> mask, mask_of(request));
  NDB_ASSIGN_OR_RETURN(const QueryPlan plan,
                       plan_query(*request.mutable_query(), *request.mutable_partition_id(), scope));
  NDB_RETURN_IF_ERROR(indexes_->check(plan));
  QueryProfile profile(plan, clock_);
  if (request.has_explain_options()) {
    profile.explain(*response.mutable_explain_metrics());
    if (!request.explain_options().analyze()) return absl::OkStatus();
  }
  const Read run = [&](const Snapshot& snapshot, ReadSet& reads) {
    Batch& batch = *response.mutable_batch();
    batch.Clear();
    BatchBuilder builder(plan, request.query().start_cursor(), mask ? &*mask : nullptr,
                         EntityReader(snapshot, plan, profile.stats()), batch);
    NDB_RETURN_IF_ERROR(results_of(snapshot, plan, builder.needed(), reads, profile.stats(),
                                   [&builder](const QueryResult& result) { return builder.add(result); }));
    NDB_RETURN_IF_ERROR(builder.finish());
    batch.set_snapshot_version(snapshot.at.micros());
    set_timestamp(*batch.mutable_read_time(), snapshot.at);
    return absl::OkStatus();
  };
  NDB_RETURN_IF_ERROR(read(call, request.read_options(), scope, {}, *response.mutable_transaction(), run));
  if (request.has_explain_options()) {
    profile.analyze(response.batch().entity_results_size(), *response.mutable_explain_metrics());
  }
  return absl::OkStatus();
}

absl::Status Engine::run_aggregation_query(const CallContext& call, v1::RunAggregationQueryRequest& request,
                                           v1::RunAggregationQueryResponse& response) {
  const Gate::Pass pass(gate_, call);
  NDB_RETURN_IF_ERROR(pass.status());
  const Scope scope{.project = request.project_id(), .database = request.database_id()};
  NDB_RETURN_IF_ERROR(check_scope(scope));
  if (request.has_gql_query()) {
    NDB_ASSIGN_OR_RETURN(*response.mutable_query(), parse_gql_aggregation(request.gql_query(), request.partition_id()));
    *request.mutable_aggregation_query() = response.query();
  }
  v1::AggregationQuery& query = *request.mutable_aggregation_query();
  NDB_RETURN_IF_ERROR(check_aggregations(query));
  NDB_ASSIGN_OR_RETURN(QueryPlan plan, plan_query(*query.mutable_nested_query(), *request.mutable_partition_id(), scope,
                                                  aggregated_properties(query)));
  NDB_RETURN_IF_ERROR(indexes_->check(plan));
  plan.aggregates = true;
  QueryProfile profile(plan, clock_);
  if (request.has_explain_options()) {
    profile.explain(*response.mutable_explain_metrics());
    if (!request.explain_options().analyze()) return absl::OkStatus();
  }
  const Read run = [&](const Snapshot& snapshot, ReadSet& reads) {
    response.mutable_batch()->Clear();
    set_timestamp(*response.mutable_batch()->mutable_read_time(), snapshot.at);
    return aggregate(snapshot, query, plan, reads, profile.stats(), *response.mutable_batch());
  };
  NDB_RETURN_IF_ERROR(read(call, request.read_options(), scope, {}, *response.mutable_transaction(), run));
  if (request.has_explain_options()) profile.analyze(1, *response.mutable_explain_metrics());
  return absl::OkStatus();
}

absl::Status Engine::aggregate(const Snapshot& snapshot, const v1::AggregationQuery& query, const QueryPlan& plan,
                               ReadSet& reads, ReadStats& stats, v1::AggregationResultBatch& batch) const {
  std::vector<Sum> totals(plan.sums.size());
  std::int64_t skipped = 0;
  std::int64_t count = 0;
  std::int64_t wanted = results_enough(query).value_or(kUnlimited);
  if (plan.limit.has_value()) wanted = std::min<std::int64_t>(wanted, *plan.limit);
  const std::size_t needed =
      wanted == kUnlimited ? kAllResults : static_cast<std::size_t>(plan.offset) + static_cast<std::size_t>(wanted);
  const auto add = [&](const QueryResult& result) {
    if (is_past_end(plan, result)) return false;
    if (skipped < plan.offset) return ++skipped > 0;
    if (count == wanted) return false;
    ++count;
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i].add(result.sums[i]);
    return count < wanted;
  };
  if (wanted > 0) {
    NDB_RETURN_IF_ERROR(results_of(snapshot, plan, plan.is_unordered() ? kAnyOrder : needed, reads, stats, add));
  }

  answer_aggregations(query, count, totals, *batch.add_aggregation_results());
  batch.set_more_results(Batch::NO_MORE_RESULTS);
  return absl::OkStatus();
}

}  // namespace ndb::local
