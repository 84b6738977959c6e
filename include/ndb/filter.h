// Filters and orders of queries, as data. Model classes make them: `Account::age > 30`, `-Account::age`.
#pragma once

#include <string>
#include <utility>

#include "ndb/value.h"

namespace ndb {

enum class Op { kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kEqual, kNotEqual, kIn, kNotIn };

// `property` is the stored name, with dots for properties of embedded entities, or "__key__". Of a repeated property a
// filter holds when it holds for any element. The value of kIn and kNotIn is an array.
struct Filter {
  Filter(std::string p, Op o, Value v) : property(std::move(p)), op(o), value(std::move(v)) {}
  std::string property;
  Op op;
  Value value;
};

struct Order {
  Order(std::string p, bool d) : property(std::move(p)), descending(d) {}
  std::string property;
  bool descending;
};

}  // namespace ndb
