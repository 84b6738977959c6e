#include "query/request.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/transaction_state.h"
#include "context/wire_time.h"

namespace ndb {
namespace {

// An empty key does not mean "no ancestor": Key::parent() of a root is one, and the query would span the whole kind.
absl::StatusOr<Key> qualified_ancestor(const Context::Impl& context, const Key& ancestor) {
  if (!ancestor) return bad_query("the ancestor is the empty key; leave ancestor() out for a query without one");
  if (!ancestor.is_complete()) {
    return bad_query(cat("the ancestor ", ancestor.to_string(), " is incomplete; put it first or give it an id"));
  }
  NDB_ASSIGN_OR_RETURN(Key whole, context.qualify(ancestor));
  NDB_RETURN_IF_ERROR(context.check_database(whole));
  return whole;
}

absl::Status add_filters(const Context::Impl& context, const detail::QuerySpec& spec, wire::Query& query) {
  std::vector<wire::Filter> all;
  if (spec.ancestor) {
    NDB_ASSIGN_OR_RETURN(const Key ancestor, qualified_ancestor(context, *spec.ancestor));
    wire::PropertyFilter& filter = *all.emplace_back().mutable_property_filter();
    filter.mutable_property()->set_name("__key__");
    filter.set_op(wire::PropertyFilter::HAS_ANCESTOR);
    NDB_ASSIGN_OR_RETURN(*filter.mutable_value(), detail::encode_value(Value(ancestor)));
  }
  for (const Filter& filter : spec.filters) {
    NDB_ASSIGN_OR_RETURN(all.emplace_back(), filter_message(context, filter));
  }
  if (all.empty()) return absl::OkStatus();
  if (all.size() == 1) {
    *query.mutable_filter() = std::move(all.front());
    return absl::OkStatus();
  }
  wire::CompositeFilter& composite = *query.mutable_filter()->mutable_composite_filter();
  composite.set_op(wire::CompositeFilter::AND);
  for (wire::Filter& filter : all) *composite.add_filters() = std::move(filter);
  return absl::OkStatus();
}

absl::Status add_orders(const detail::QuerySpec& spec, wire::Query& query) {
  for (const std::string& property : spec.distinct_on) {
    if (property.empty()) return bad_query("distinct_on names no property");
    query.add_distinct_on()->set_name(property);
  }
  for (const Order& order : spec.orders) {
    if (order.property.empty()) return bad_query("an order names no property");
    wire::PropertyOrder& one = *query.add_order();
    one.mutable_property()->set_name(order.property);
    one.set_direction(order.descending ? wire::PropertyOrder::DESCENDING : wire::PropertyOrder::ASCENDING);
  }
  return absl::OkStatus();
}

const std::string* beside_keys(const std::vector<Filter>& filters) {
  for (const Filter& filter : filters) {
    if (const std::string* found = beside_keys(filter.parts)) return found;
    if (filter.parts.empty() && filter.property != "__key__") return &filter.property;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<wire::Query> query_message(const Context::Impl& context, const detail::QuerySpec& spec) {
  wire::Query query;
  if (!spec.kind.empty()) {
    query.add_kind()->set_name(spec.kind);
  } else if (const std::string* property = beside_keys(spec.filters)) {
    return bad_query(cat("without a kind only keys can be filtered, not ", quoted(*property)));
  }
  NDB_RETURN_IF_ERROR(add_filters(context, spec, query));
  NDB_RETURN_IF_ERROR(add_orders(spec, query));
  if (spec.offset > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return bad_query(cat("the offset ", spec.offset, " is more than the Datastore can count; start at a cursor"));
  }
  query.set_offset(static_cast<std::int32_t>(spec.offset));
  query.set_start_cursor(spec.start.bytes());
  query.set_end_cursor(spec.end.bytes());
  return query;
}

absl::StatusOr<wire::ReadOptions> read_options(const Context::Impl& context, const detail::QuerySpec& spec,
                                               const Options& options) {
  NDB_RETURN_IF_ERROR(context::check_options(options));
  wire::ReadOptions read;
  const bool eventual = options.read_consistency == ReadConsistency::kEventual;
  if (spec.read_time) {
    if (context.in_transaction()) return bad_request("as_of() in a transaction, which reads at a time of its own");
    if (eventual) return bad_request("as_of() of an EVENTUAL query: it has a time, or any");
    *read.mutable_read_time() = context::to_wire_time(*spec.read_time);
  } else if (context.in_transaction()) {
    if (eventual) return bad_request("a query in a transaction can't be EVENTUAL");
    read.set_transaction(context.transaction->id);
  } else if (eventual) {
    read.set_read_consistency(wire::ReadOptions::EVENTUAL);
  }
  return read;
}

absl::StatusOr<wire::PartitionId> partition_of(const Context::Impl& context, const detail::QuerySpec& spec) {
  const Partition& here = context.partition();
  std::string where = spec.namespace_.value_or(*here.namespace_);
  if (spec.ancestor) {
    NDB_ASSIGN_OR_RETURN(const Key ancestor, qualified_ancestor(context, *spec.ancestor));
    if (spec.namespace_ && *spec.namespace_ != ancestor.namespace_()) {
      return bad_query(cat("the query is in the namespace ", quoted(*spec.namespace_), ", but its ancestor ",
                           ancestor.to_string(), " is not"));
    }
    where = std::string(ancestor.namespace_());
  }
  wire::PartitionId partition;
  partition.set_project_id(*here.project);
  partition.set_database_id(*here.database);
  partition.set_namespace_id(std::move(where));
  return partition;
}

absl::Status in_query(const absl::Status& status, const detail::QuerySpec& spec) {
  if (status.ok()) return status;
  if (!spec.gql.empty()) return annotate(status, cat("GQL ", quoted(spec.gql)));
  return annotate(status, spec.kind.empty() ? "query of all kinds" : cat("query of kind ", quoted(spec.kind)));
}

}  // namespace ndb
