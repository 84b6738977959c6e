#include "ndb/query.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/impl.h"
#include "context/rpc.h"
#include "context/transaction_state.h"
#include "ndb/detail/codec.h"

namespace ndb::detail {
namespace {

wire::PropertyFilter::Operator wire_operator(Op op) {
  switch (op) {
    case Op::kLess:
      return wire::PropertyFilter::LESS_THAN;
    case Op::kLessOrEqual:
      return wire::PropertyFilter::LESS_THAN_OR_EQUAL;
    case Op::kGreater:
      return wire::PropertyFilter::GREATER_THAN;
    case Op::kGreaterOrEqual:
      return wire::PropertyFilter::GREATER_THAN_OR_EQUAL;
    case Op::kEqual:
      return wire::PropertyFilter::EQUAL;
    case Op::kNotEqual:
      return wire::PropertyFilter::NOT_EQUAL;
    case Op::kIn:
      return wire::PropertyFilter::IN;
    case Op::kNotIn:
      return wire::PropertyFilter::NOT_IN;
  }
  return wire::PropertyFilter::OPERATOR_UNSPECIFIED;
}

// What can be said of a filter without the Datastore. Filters of model classes cannot be wrong in these ways.
absl::Status check(const QuerySpec& spec, const Filter& filter) {
  if (filter.property.empty()) return bad_filter("a filter names no property");
  if (spec.kind.empty() && filter.property != "__key__") {
    return bad_query(cat("without a kind only keys can be filtered, not ", quoted(filter.property)));
  }
  const bool list = filter.op == Op::kIn || filter.op == Op::kNotIn;
  if (list != (filter.value.type() == ValueType::kArray) || (list && filter.value.as_array().empty())) {
    return bad_filter(cat("the filter on ", quoted(filter.property),
                          list ? " with IN or NOT_IN needs a list of values that is not empty"
                               : " compares with a list; IN and NOT_IN do that"));
  }
  return absl::OkStatus();
}

// Keys in a filter may lack their partition, as keys anywhere may.
absl::StatusOr<Value> qualify(const Context::Impl& context, const Value& value) {
  if (value.type() == ValueType::kKey) {
    NDB_ASSIGN_OR_RETURN(Key key, context.qualify(value.as_key()));
    return Value(std::move(key));
  }
  if (value.type() != ValueType::kArray) return value;
  Array array;
  for (const Value& element : value.as_array()) {
    NDB_ASSIGN_OR_RETURN(Value whole, qualify(context, element));
    array.push_back(std::move(whole));
  }
  return Value(std::move(array));
}

absl::Status add_filter(wire::CompositeFilter& all, std::string_view property, wire::PropertyFilter::Operator op,
                        const Value& value) {
  NDB_ASSIGN_OR_RETURN(std::string bytes, encode_value(value));
  wire::PropertyFilter* filter = all.add_filters()->mutable_property_filter();
  filter->mutable_property()->set_name(std::string(property));
  filter->set_op(op);
  filter->set_value(std::move(bytes));
  return absl::OkStatus();
}

absl::StatusOr<wire::RunQueryRequest> make_request(const Context::Impl& context, const QuerySpec& spec,
                                                   const Options& options) {
  wire::RunQueryRequest request;
  if (context.in_transaction()) {
    request.mutable_read_options()->set_transaction(context.transaction->id);
  } else if (options.read_consistency == ReadConsistency::kEventual) {
    request.mutable_read_options()->set_read_consistency(wire::ReadOptions::EVENTUAL);
  }
  const Partition& here = context.core->partition;
  std::string where = spec.namespace_.value_or(*here.namespace_);

  wire::Query& query = *request.mutable_query();
  query.add_kind()->set_name(spec.kind);
  wire::CompositeFilter all;
  all.set_op(wire::CompositeFilter::AND);
  if (spec.ancestor) {
    NDB_ASSIGN_OR_RETURN(const Key ancestor, context.qualify(spec.ancestor));
    if (!spec.namespace_) where = std::string(ancestor.namespace_());
    NDB_RETURN_IF_ERROR(add_filter(all, "__key__", wire::PropertyFilter::HAS_ANCESTOR, Value(ancestor)));
  }
  for (const Filter& filter : spec.filters) {
    NDB_RETURN_IF_ERROR(check(spec, filter));
    NDB_ASSIGN_OR_RETURN(const Value value, qualify(context, filter.value));
    NDB_RETURN_IF_ERROR(add_filter(all, filter.property, wire_operator(filter.op), value));
  }
  if (all.filters_size() == 1) {
    *query.mutable_filter() = all.filters(0);
  } else if (all.filters_size() > 1) {
    *query.mutable_filter()->mutable_composite_filter() = std::move(all);
  }
  for (const Order& order : spec.orders) {
    wire::PropertyOrder& one = *query.add_order();
    one.mutable_property()->set_name(order.property);
    one.set_direction(order.descending ? wire::PropertyOrder::DESCENDING : wire::PropertyOrder::ASCENDING);
  }
  request.mutable_partition_id()->set_project_id(*here.project);
  request.mutable_partition_id()->set_database_id(*here.database);
  request.mutable_partition_id()->set_namespace_id(std::move(where));
  return request;
}

std::int32_t clamp(std::size_t n) {
  return static_cast<std::int32_t>(std::min<std::size_t>(n, std::numeric_limits<std::int32_t>::max()));
}

// Gets a result and the time it was read at, and says whether it counts.
using Take = std::function<absl::StatusOr<bool>(const wire::EntityResult& result, WallTime read_time)>;

// Runs the query batch by batch until `limit` results count, or there are no more.
absl::Status run(Context::Impl& context, wire::RunQueryRequest request, std::size_t offset, std::size_t limit,
                 const Options& options, const Take& take) {
  while (limit > 0) {
    wire::Query& query = *request.mutable_query();
    query.set_offset(clamp(offset));
    if (limit != SIZE_MAX) query.mutable_limit()->set_value(clamp(limit));
    ++context.counts->queries;
    NDB_ASSIGN_OR_RETURN(
        const wire::RunQueryResponse response,
        call_rpc(context, &datastore::Stub::run_query, wire::RunQueryRequest(request), RpcOptions::of(options).call()));
    const wire::QueryResultBatch& batch = response.batch();
    for (const wire::EntityResult& result : batch.entity_results()) {
      NDB_ASSIGN_OR_RETURN(const bool counts, take(result, to_wall_time(batch.read_time())));
      if (counts && limit != SIZE_MAX) --limit;
    }
    offset -= std::min<std::size_t>(offset, static_cast<std::size_t>(std::max(batch.skipped_results(), 0)));
    const bool ended = batch.more_results() == wire::QueryResultBatch::NO_MORE_RESULTS ||
                       (batch.more_results() != wire::QueryResultBatch::NOT_FINISHED && limit == SIZE_MAX);
    if (ended) break;
    if (batch.end_cursor().empty() || batch.end_cursor() == query.start_cursor()) {
      return absl::InternalError("the Datastore says that a query has more results, but not from where on");
    }
    query.set_start_cursor(batch.end_cursor());
  }
  return absl::OkStatus();
}

// A full result, as the context cache lets it be seen. Empty payload: dropped.
absl::StatusOr<Found> through_cache(Context::Impl& context, const wire::EntityResult& result, WallTime read_time,
                                    const ModelInfo& info, const Options& options) {
  Found found;
  NDB_ASSIGN_OR_RETURN(found.key, entity_key(result.entity()));
  NDB_ASSIGN_OR_RETURN(const ModelInfo* const of_kind, find_model(found.key.kind()));
  const bool cache = context.decides_cache(found.key, options, of_kind);
  if (cache) {
    if (auto slot = context.cached(found.key, info)) {
      NDB_ASSIGN_OR_RETURN(found.payload, *std::move(slot));
      return found;
    }
  }
  NDB_ASSIGN_OR_RETURN(found.payload, decode_entity(info, found.key, result.entity()));
  const auto version = static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
  found.payload->set_version(version);
  if (cache) context.cache.store_read(found.key, {found.payload, version, read_time});
  return found;
}

absl::Status describe(const absl::Status& status, const QuerySpec& spec) {
  return annotate(status, cat("query of kind ", quoted(spec.kind)));
}

}  // namespace

std::vector<Found> fetch(const QuerySpec& spec, const ModelInfo& info, std::size_t limit, const Options& options) {
  const Call call;
  std::vector<Found> results;
  const auto fetch_all = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(wire::RunQueryRequest request, make_request(call.impl, spec, options));
    return run(call.impl, std::move(request), spec.offset, limit, options,
               [&](const wire::EntityResult& result, WallTime read_time) -> absl::StatusOr<bool> {
                 NDB_ASSIGN_OR_RETURN(Found found, through_cache(call.impl, result, read_time, info, options));
                 if (!found.payload) return false;
                 results.push_back(std::move(found));
                 return true;
               });
  };
  throw_if_error(describe(fetch_all(), spec));
  return results;
}

void fetch_projection(const QuerySpec& spec, const Table& table, std::size_t limit, const Options& options,
                      const std::function<void*(Key)>& into) {
  const Call call;
  const auto fetch_all = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(wire::RunQueryRequest request, make_request(call.impl, spec, options));
    for (const Row& row : table.rows()) {
      request.mutable_query()->add_projection()->mutable_property()->set_name(std::string(row.name));
    }
    return run(call.impl, std::move(request), spec.offset, limit, options,
               [&](const wire::EntityResult& result, WallTime) -> absl::StatusOr<bool> {
                 NDB_ASSIGN_OR_RETURN(const Key key, entity_key(result.entity()));
                 Decoder decoder;
                 if (!decoder.properties(table, result.entity(), into(key))) return decoder.status(key.kind(), key);
                 return true;
               });
  };
  throw_if_error(describe(fetch_all(), spec));
}

std::vector<Key> fetch_keys(const QuerySpec& spec, std::size_t limit, const Options& options) {
  const Call call;
  std::vector<Key> keys;
  const auto fetch_all = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(wire::RunQueryRequest request, make_request(call.impl, spec, options));
    request.mutable_query()->add_projection()->mutable_property()->set_name("__key__");
    return run(call.impl, std::move(request), spec.offset, limit, options,
               [&](const wire::EntityResult& result, WallTime) -> absl::StatusOr<bool> {
                 NDB_ASSIGN_OR_RETURN(Key key, entity_key(result.entity()));
                 keys.push_back(std::move(key));
                 return true;
               });
  };
  throw_if_error(describe(fetch_all(), spec));
  return keys;
}

}  // namespace ndb::detail
