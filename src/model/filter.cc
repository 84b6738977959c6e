#include "ndb/filter.h"

#include <iterator>
#include <string>
#include <utility>

#include "base/strings.h"
#include "ndb/detail/property_traits.h"
#include "ndb/error.h"

namespace ndb {
namespace {

// A part that is a combination of the same kind is flattened, so that filters added in a loop do not nest.
Filter combine(Op op, std::vector<Filter> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  Filter all("", op, {});
  for (Filter& part : parts) {
    if (part.op == op) {
      all.parts.insert(all.parts.end(), std::make_move_iterator(part.parts.begin()),
                       std::make_move_iterator(part.parts.end()));
    } else {
      all.parts.push_back(std::move(part));
    }
  }
  return all;
}

}  // namespace

Filter AND(std::vector<Filter> parts) { return combine(Op::kAnd, std::move(parts)); }
Filter OR(std::vector<Filter> parts) { return combine(Op::kOr, std::move(parts)); }

namespace detail {

Filter all_parts(std::string_view property, std::vector<Filter> parts) {
  if (parts.empty()) {
    throw BadFilterError(cat("the property ", quoted(property),
                             " is compared with a struct that has no indexed property that is set; compare it with "
                             "nullptr, or name a sub-property"));
  }
  return AND(std::move(parts));
}

namespace {

[[noreturn]] void refuse_integer(const std::string& integer) {
  throw BadFilterError(cat("a property of type double is compared with ", integer,
                           ", which no double is equal to: compare it with the double that is meant"));
}

}  // namespace

double exact_double(long long integer) {
  const auto number = static_cast<double>(integer);
  if (number >= 0x1p63 || static_cast<long long>(number) != integer) refuse_integer(std::to_string(integer));
  return number;
}

double exact_double(unsigned long long integer) {
  const auto number = static_cast<double>(integer);
  if (number >= 0x1p64 || static_cast<unsigned long long>(number) != integer) refuse_integer(std::to_string(integer));
  return number;
}

void refuse_repeated_part(std::string_view property) {
  throw BadFilterError(cat("the property ", quoted(property),
                           " is repeated, and cannot be compared as a part of its struct; leave it empty there, and "
                           "add a filter for each of its elements"));
}

}  // namespace detail
}  // namespace ndb
