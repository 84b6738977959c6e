#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "query/request.h"

namespace ndb {
namespace {

// Much deeper than the Datastore allows, and far from the end of a tasklet's stack.
constexpr int kMaxDepth = 100;

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
    case Op::kAnd:
    case Op::kOr:
      break;
  }
  return wire::PropertyFilter::OPERATOR_UNSPECIFIED;
}

// Filters that are made from model classes cannot have these errors.
absl::Status check(const Filter& filter) {
  if (filter.property.empty()) return bad_filter("a filter names no property");
  const bool list = filter.op == Op::kIn || filter.op == Op::kNotIn;
  if (list != (filter.value.type() == ValueType::kArray) || (list && filter.value.as_array().empty())) {
    return bad_filter(cat("the filter on ", quoted(filter.property),
                          list ? " with IN or NOT_IN needs a list of values that is not empty"
                               : " compares with a list; IN and NOT_IN do that"));
  }
  if (filter.property == "__key__") {
    const auto is_key = [](const Value& value) { return value.type() == ValueType::kKey; };
    if (list ? !std::ranges::all_of(filter.value.as_array(), is_key) : !is_key(filter.value)) {
      return bad_filter(cat("the filter on __key__ compares with ", filter.value.to_string(), "; it needs a key"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<wire::Filter> message(const Context::Impl& context, const Filter& filter, int depth) {
  if (depth > kMaxDepth) return bad_filter(cat("the filters are nested more than ", kMaxDepth, " deep"));
  wire::Filter out;
  if (filter.op == Op::kAnd || filter.op == Op::kOr) {
    const bool all = filter.op == Op::kAnd;
    if (filter.parts.empty()) return bad_filter(cat("an ", all ? "AND" : "OR", " of no filters"));
    wire::CompositeFilter& composite = *out.mutable_composite_filter();
    composite.set_op(all ? wire::CompositeFilter::AND : wire::CompositeFilter::OR);
    for (const Filter& part : filter.parts) {
      NDB_ASSIGN_OR_RETURN(*composite.add_filters(), message(context, part, depth + 1));
    }
    return out;
  }
  NDB_RETURN_IF_ERROR(check(filter));
  wire::PropertyFilter& one = *out.mutable_property_filter();
  one.mutable_property()->set_name(filter.property);
  one.set_op(wire_operator(filter.op));
  absl::StatusOr<std::string> value = value_bytes(context, filter.value);
  if (!value.ok()) return annotate(value.status(), cat("the filter on ", quoted(filter.property)));
  one.set_value(*std::move(value));
  return out;
}

// Keys may lack their partition, as everywhere in the API.
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

}  // namespace

absl::StatusOr<wire::Filter> filter_message(const Context::Impl& context, const Filter& filter) {
  return message(context, filter, 0);
}

absl::StatusOr<std::string> value_bytes(const Context::Impl& context, const Value& value) {
  NDB_ASSIGN_OR_RETURN(const Value whole, qualify(context, value));
  return detail::encode_value(whole);
}

}  // namespace ndb
