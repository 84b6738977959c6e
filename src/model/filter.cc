#include "ndb/filter.h"

#include <iterator>
#include <utility>

namespace ndb {
namespace {

// A part that is a combination of the same kind gives its own parts, so that filters added in a loop do not nest.
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

}  // namespace ndb
