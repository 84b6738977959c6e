// Filters and orders of queries, as data. Model classes make them: `Account::age > 30`, `-Account::age`.
#pragma once

#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "ndb/value.h"

namespace ndb {

// How a filter compares.
enum class Op { kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kEqual, kNotEqual, kIn, kNotIn, kAnd, kOr };

// `property` is the stored name, with dots for properties of embedded entities, or "__key__". Of a repeated property a
// filter holds when it holds for any element. The value of kIn and kNotIn is an array. kAnd and kOr have `parts`
// instead of a property and a value; AND() and OR() make them.
struct Filter {
  // A comparison of the property `p` with `v`.
  Filter(std::string p, Op o, Value v) : property(std::move(p)), op(o), value(std::move(v)) {}
  std::string property;         // the stored name
  Op op;                        // how it compares
  Value value;                  // with what
  std::vector<Filter> parts{};  // of kAnd and kOr
};

// AND() holds when all of `parts` hold, OR() when one of them does. In a query, no parts at all are a BadFilterError.
Filter AND(std::vector<Filter> parts);
Filter OR(std::vector<Filter> parts);
template <std::convertible_to<Filter>... F>
  requires(sizeof...(F) > 0)
Filter AND(F... parts) {
  return AND(std::vector<Filter>{std::move(parts)...});
}
template <std::convertible_to<Filter>... F>
  requires(sizeof...(F) > 0)
Filter OR(F... parts) {
  return OR(std::vector<Filter>{std::move(parts)...});
}

// A sort order of a query. `-Account::age` makes a descending one.
struct Order {
  // By the property `p`, descending if `d`.
  Order(std::string p, bool d) : property(std::move(p)), descending(d) {}
  std::string property;  // the stored name
  bool descending;       // from the largest value to the smallest
};

}  // namespace ndb
