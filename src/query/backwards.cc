// The same results in the opposite order.
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/context_impl.h"
#include "ndb/detail/query_calls.h"
#include "query/request.h"

namespace ndb {
namespace {

bool is_inequality(const Filter& filter) {
  if (filter.op == Op::kAnd || filter.op == Op::kOr) return std::ranges::any_of(filter.parts, is_inequality);
  return filter.op != Op::kEqual && filter.op != Op::kIn;
}

bool orders_by(const detail::QuerySpec& spec, std::string_view property) {
  return std::ranges::any_of(spec.orders, [&](const Order& order) { return order.property == property; });
}

// Whether the class says that the property, or a struct that it is in, has many values. What no class lists is taken
// for single.
bool is_repeated(const detail::ModelInfo* info, std::string_view path) {
  const detail::Table* table = info != nullptr ? &info->table() : nullptr;
  while (table != nullptr) {
    const std::size_t dot = path.find('.');
    const detail::PropertyRow* const row = table->find(path.substr(0, dot));
    if (row == nullptr || row->ops == nullptr) return false;
    if (row->ops->repeated) return true;
    if (dot == path.npos || row->ops->structs == nullptr) return false;
    path.remove_prefix(dot + 1);
    table = &row->ops->structs->table();
  }
  return false;
}

absl::Status check_reversible(const detail::QuerySpec& spec, const detail::Wanted& wanted) {
  if (!spec.gql.empty()) return bad_query("a text cannot be read backwards; write the opposite order in another one");
  if (spec.offset > 0) return bad_query("an offset counts from the first result; pages backwards cannot have one");
  if (!spec.distinct_on.empty()) {
    return bad_query("distinct_on keeps the first result of several, which backwards is another one");
  }
  const bool by_key_alone = spec.orders.empty() && std::ranges::none_of(spec.filters, is_inequality);
  if (!by_key_alone && !orders_by(spec, "__key__")) {
    return bad_query(
        "pages backwards need to know the order of results with equal values: end the orders with the key, as in "
        "order(-Account::age, Account::_key)");
  }
  for (const std::string& property : wanted.projection) {
    if (!orders_by(spec, property)) {
      return bad_query(cat("pages backwards of a projection need an order by each of its properties, in front of the ",
                           "key; there is none by ", quoted(property)));
    }
  }
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const of_kind, detail::find_model(spec.kind));
  const bool typed = wanted.info != nullptr && !wanted.info->any_kind;
  for (const Order& order : spec.orders) {
    const bool projected = std::ranges::find(wanted.projection, order.property) != wanted.projection.end();
    if (!projected && is_repeated(typed ? wanted.info : of_kind, order.property)) {
      return bad_query(cat("an order by ", quoted(order.property), " has no exact opposite, because it is repeated: ",
                           "an entity is at its smallest value forwards and at its largest backwards"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

detail::QuerySpec detail::reversed(const QuerySpec& spec, const Wanted& wanted, const Cursor& before) {
  throw_if_error(in_query(check_reversible(spec, wanted), spec));
  QuerySpec out = spec;
  for (Order& order : out.orders) order.descending = !order.descending;
  if (out.orders.empty()) out.orders.emplace_back("__key__", true);
  out.start = before ? before : spec.end;
  out.end = spec.start;
  return out;
}

}  // namespace ndb
