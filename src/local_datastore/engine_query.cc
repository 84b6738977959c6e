#include <algorithm>
#include <limits>
#include <set>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/engine.h"
#include "local_datastore/gql/parser.h"
#include "local_datastore/query/metadata.h"
#include "local_datastore/query/profile.h"
#include "local_datastore/query/run.h"
#include "local_datastore/write/stored_bytes.h"

namespace ndb::local {
namespace {

constexpr int kMaxBatchRows = 300;
constexpr int kMaxBatchSkips = 1000;
constexpr std::size_t kMaxBatchBytes = 3 << 20;
constexpr int kMaxAggregations = 5;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

using Batch = v1::QueryResultBatch;

// Fills one batch, row after row, until it is full or the query has what it wants.
class BatchBuilder {
 public:
  // `start` is the query's start cursor, which the batch ends with if it has nothing.
  BatchBuilder(const QueryPlan& plan, const std::string& start, const v1::PropertyMask* mask, EntityReader entities,
               Batch& batch)
      : plan_(plan), mask_(mask), entities_(std::move(entities)), batch_(batch) {
    batch_.set_entity_result_type(!plan.projection.empty() ? v1::EntityResult::PROJECTION
                                  : plan.keys_only         ? v1::EntityResult::KEY_ONLY
                                                           : v1::EntityResult::FULL);
    batch_.set_end_cursor(start.empty() ? encode_cursor(plan, {}) : start);
    batch_.set_more_results(Batch::NO_MORE_RESULTS);
  }

  // How many rows this batch can take, and one to see whether there are more.
  std::size_t needed() const {
    const int rows = std::min(plan_.limit.value_or(kMaxBatchRows), kMaxBatchRows);
    return static_cast<std::size_t>(std::min(plan_.offset, kMaxBatchSkips)) + static_cast<std::size_t>(rows) + 1;
  }

  // False when the batch is done.
  bool add(const QueryRow& row) {
    if (is_past_end(plan_, row)) return stop(Batch::MORE_RESULTS_AFTER_CURSOR);
    if (batch_.skipped_results() < plan_.offset) return skip(row);
    if (at_limit()) return stop(Batch::MORE_RESULTS_AFTER_LIMIT);
    if (batch_.entity_results_size() == kMaxBatchRows || bytes_ > kMaxBatchBytes) return stop(Batch::NOT_FINISHED);
    return take(row);
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

  bool skip(const QueryRow& row) {
    if (batch_.skipped_results() == kMaxBatchSkips) return stop(Batch::NOT_FINISHED);
    batch_.set_skipped_results(batch_.skipped_results() + 1);
    batch_.set_skipped_cursor(encode_cursor(plan_, row.components));
    batch_.set_end_cursor(batch_.skipped_cursor());
    return true;
  }

  bool take(const QueryRow& row) {
    StoredEntity stored;
    status_ = read(row, stored);
    if (!status_.ok()) return false;
    if (bytes_ != 0 && bytes_ + stored.entity.size() > kMaxBatchBytes) return stop(Batch::NOT_FINISHED);
    v1::EntityResult& result = *batch_.add_entity_results();
    status_ = plan_.wants_entities() ? fill_result(stored, mask_, result) : fill_row(row, result);
    if (!status_.ok()) return false;
    result.set_cursor(encode_cursor(plan_, row.components));
    batch_.set_end_cursor(result.cursor());
    bytes_ += plan_.wants_entities() ? stored.entity.size() : result.ByteSizeLong();
    bytes_ += result.cursor().size() + 100;
    return !at_limit();
  }

  absl::Status read(const QueryRow& row, StoredEntity& stored) {
    if (!plan_.wants_entities()) return absl::OkStatus();
    stored = row.stored;
    if (!stored.entity.empty()) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(stored, entities_.read(row.path));
    return absl::OkStatus();
  }

  absl::Status fill_row(const QueryRow& row, v1::EntityResult& result) const {
    v1::Key& key = *result.mutable_entity()->mutable_key();
    *key.mutable_partition_id() = plan_.partition_id;
    if (!decode_path(row.path, key)) return absl::DataLossError("the path of a row is damaged");
    for (std::size_t i = 0; i < plan_.projection.size(); ++i) {
      (*result.mutable_entity()->mutable_properties())[plan_.projection[i]] = projected(row.projected[i]);
    }
    return absl::OkStatus();
  }

  // As an index has it: no meaning of its own, no negative zero, and a timestamp is a number of microseconds, marked
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
  const v1::PropertyMask* mask_;
  EntityReader entities_;
  Batch& batch_;
  std::size_t bytes_ = 0;
  absl::Status status_;
};

// Wide enough that no number of rows can overflow it.
__extension__ typedef __int128 Wide;  // NOLINT(modernize-use-using): an alias of it would be pedantic

// The values of one property, added up as they come.
class Sum {
 public:
  void add(const v1::Value& value) {
    if (value.has_integer_value()) {
      integers_ += value.integer_value();
    } else if (value.has_double_value()) {
      doubles_ += value.double_value();
      exact_ = false;
    } else {
      return;
    }
    ++count_;
  }

  v1::Value sum() const {
    v1::Value out;
    constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
    constexpr Wide kMin = std::numeric_limits<std::int64_t>::min();
    if (exact_ && integers_ <= kMax && integers_ >= kMin) {
      out.set_integer_value(static_cast<std::int64_t>(integers_));
    } else {
      out.set_double_value(total());
    }
    return out;
  }

  v1::Value average() const {
    v1::Value out;
    if (count_ == 0) {
      out.set_null_value(google::protobuf::NULL_VALUE);
    } else {
      out.set_double_value(total() / static_cast<double>(count_));
    }
    return out;
  }

 private:
  double total() const { return static_cast<double>(integers_) + doubles_; }

  Wide integers_ = 0;
  double doubles_ = 0;
  bool exact_ = true;
  std::int64_t count_ = 0;
};

using Aggregation = v1::AggregationQuery::Aggregation;

const std::string* aggregated_property(const Aggregation& aggregation) {
  if (aggregation.has_sum()) return &aggregation.sum().property().name();
  if (aggregation.has_avg()) return &aggregation.avg().property().name();
  return nullptr;
}

// Checks the aggregations and gives those without an alias their own.
absl::Status check_aggregations(v1::AggregationQuery& query) {
  if (query.aggregations().empty()) return absl::InvalidArgumentError("Aggregations can not be empty.");
  if (query.aggregations_size() > kMaxAggregations) {
    return absl::InvalidArgumentError(cat("The maximum number of aggregations allowed in an aggregation query is ",
                                          kMaxAggregations, ". Received: ", query.aggregations_size()));
  }
  std::set<std::string> aliases;
  int unnamed = 0;
  for (Aggregation& aggregation : *query.mutable_aggregations()) {
    if (aggregation.operator_case() == Aggregation::OPERATOR_NOT_SET) {
      return absl::InvalidArgumentError("An aggregation must have an operator: count, sum or avg.");
    }
    if (aggregation.count().up_to().value() < 0) {
      return absl::InvalidArgumentError("The up_to of a count must not be negative.");
    }
    if (const std::string* property = aggregated_property(aggregation)) {
      if (property->empty() || is_reserved(*property)) {
        return absl::InvalidArgumentError(cat("Aggregations are not supported for the property: ", *property));
      }
    }
    if (aggregation.alias().empty()) aggregation.set_alias(cat("property_", ++unnamed));
    if (!aliases.insert(aggregation.alias()).second) {
      return absl::InvalidArgumentError(cat("Aggregation aliases contain duplicate alias: ", aggregation.alias(), "."));
    }
  }
  return absl::OkStatus();
}

// How many rows decide all that is asked for: where all are counts up to a number, the largest of these.
std::optional<std::int64_t> rows_enough(const v1::AggregationQuery& query) {
  std::int64_t enough = 0;
  for (const Aggregation& aggregation : query.aggregations()) {
    if (!aggregation.count().has_up_to()) return std::nullopt;
    enough = std::max(enough, aggregation.count().up_to().value());
  }
  return enough;
}

}  // namespace

absl::Status Engine::rows_of(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                             ReadStats& stats, const ConsumeRow& consume) const {
  if (!is_metadata(plan.kind)) return for_each_row(snapshot, plan, needed, reads, stats, consume);
  NDB_ASSIGN_OR_RETURN(const std::vector<v1::Entity> entities, metadata_of(snapshot, plan, reads, stats));
  return for_each_row_of(entities, plan, needed, consume);
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
    BatchBuilder builder(plan, request.query().start_cursor(),
                         request.has_property_mask() ? &request.property_mask() : nullptr,
                         EntityReader(snapshot, plan, profile.stats()), batch);
    NDB_RETURN_IF_ERROR(rows_of(snapshot, plan, builder.needed(), reads, profile.stats(),
                                [&builder](const QueryRow& row) { return builder.add(row); }));
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
  std::vector<std::string> sums;
  for (const Aggregation& aggregation : query.aggregations()) {
    if (const std::string* property = aggregated_property(aggregation)) sums.push_back(*property);
  }
  NDB_ASSIGN_OR_RETURN(QueryPlan plan,
                       plan_query(*query.mutable_nested_query(), *request.mutable_partition_id(), scope, sums));
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
  std::int64_t wanted = rows_enough(query).value_or(kUnlimited);
  if (plan.limit.has_value()) wanted = std::min<std::int64_t>(wanted, *plan.limit);
  const std::size_t needed =
      wanted == kUnlimited ? kAllRows : static_cast<std::size_t>(plan.offset) + static_cast<std::size_t>(wanted);
  const auto add = [&](const QueryRow& row) {
    if (is_past_end(plan, row)) return false;
    if (skipped < plan.offset) return ++skipped > 0;
    if (count == wanted) return false;
    ++count;
    for (std::size_t i = 0; i < totals.size(); ++i) {
      for (const v1::Value& value : row.summed[i]) totals[i].add(value);
    }
    return count < wanted;
  };
  if (wanted > 0) {
    NDB_RETURN_IF_ERROR(rows_of(snapshot, plan, plan.is_unordered() ? kAnyOrder : needed, reads, stats, add));
  }

  auto& properties = *batch.add_aggregation_results()->mutable_aggregate_properties();
  std::size_t sum = 0;
  for (const Aggregation& aggregation : query.aggregations()) {
    v1::Value& value = properties[aggregation.alias()];
    if (aggregation.has_count()) {
      const auto& bounds = aggregation.count();
      value.set_integer_value(bounds.has_up_to() ? std::min(count, bounds.up_to().value()) : count);
    } else {
      const Sum& total = totals[sum++];
      value = aggregation.has_sum() ? total.sum() : total.average();
    }
  }
  batch.set_more_results(Batch::NO_MORE_RESULTS);
  return absl::OkStatus();
}

}  // namespace ndb::local
