// Aggregations of queries, which the Datastore computes: `query.aggregate(ndb::count(), ndb::avg(Account::age))`.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ndb/detail/property_traits.h"
#include "ndb/detail/query_calls.h"
#include "ndb/value.h"

namespace ndb {

// What is asked, and the type of the answer.
template <class Result>
struct Aggregate {
  using result_type = Result;   // the type of the answer
  detail::Aggregation asked{};  // what to compute, and of which property
};

namespace detail {

template <class P>
consteval bool check_aggregate() {
  static_assert(Traits<P>::indexed(), "ndb: this property is not indexed, so it cannot be summed up.");
  static_assert(std::is_arithmetic_v<typename Traits<P>::Operand> && !std::same_as<typename Traits<P>::Operand, bool>,
                "ndb: only numbers can be summed up.");
  return true;
}

// A sum or average that has another type than its property is a BadValueError which names the property.
std::int64_t integer_sum(const Aggregation& asked, const Value& value);
double number(const Aggregation& asked, const Value& value);

template <class Result>
Result result_of(const Aggregation& asked, const Value& value) {
  if constexpr (std::same_as<Result, Value>) {
    return value;
  } else if constexpr (std::same_as<Result, std::int64_t>) {
    return integer_sum(asked, value);
  } else if constexpr (std::same_as<Result, double>) {
    return number(asked, value);
  } else {
    return value.is_null() ? Result() : Result(number(asked, value));
  }
}

}  // namespace detail

// The number of results; counting ends at `up_to`.
inline Aggregate<std::int64_t> count(std::size_t up_to = kNoLimit) {
  return {{.kind = detail::Aggregation::Kind::kCount, .up_to = up_to}};
}

// The sum of an indexed number over the results that have one. The sum of integers is an integer; one that does not fit
// is a BadValueError. For a property given by name the Datastore decides: the sum is a double if one of the numbers is,
// or if a sum of integers does not fit.
template <detail::IsProperty P>
auto sum(P) {
  static_assert(detail::check_aggregate<P>());
  using Operand = typename detail::Traits<P>::Operand;
  using Sum = std::conditional_t<std::integral<Operand>, std::int64_t, double>;
  return Aggregate<Sum>{{.kind = detail::Aggregation::Kind::kSum, .property = detail::Traits<P>::path()}};
}
inline Aggregate<Value> sum(std::string_view property) {
  return {{.kind = detail::Aggregation::Kind::kSum, .property = std::string(property)}};
}

// The average of an indexed number over the results that have one; nothing if none has.
inline Aggregate<std::optional<double>> avg(std::string_view property) {
  return {{.kind = detail::Aggregation::Kind::kAvg, .property = std::string(property)}};
}
template <detail::IsProperty P>
Aggregate<std::optional<double>> avg(P) {
  static_assert(detail::check_aggregate<P>());
  return avg(detail::Traits<P>::path());
}

}  // namespace ndb
