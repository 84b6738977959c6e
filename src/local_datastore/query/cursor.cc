#include "local_datastore/query/cursor.h"

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// A byte for the format, and the plan's signature; then each component after its header: a byte for the direction and
// four for the size.
constexpr char kFormat = '\1';
constexpr std::size_t kHeaderSize = 9;
constexpr std::size_t kComponentHeaderSize = 5;

absl::Status mismatch() { return absl::InvalidArgumentError("cursor does not match query"); }

}  // namespace

std::string sort_key(const QueryPlan& plan, const std::vector<std::string>& components) {
  std::string out;
  for (std::size_t i = 0; i < components.size(); ++i) {
    const std::size_t begin = out.size();
    out += components[i];
    if (!plan.orders[i].descending) continue;
    for (std::size_t at = begin; at < out.size(); ++at) out[at] = static_cast<char>(~out[at]);
  }
  return out;
}

std::string encode_cursor(const QueryPlan& plan, const std::vector<std::string>& components) {
  std::string out(1, kFormat);
  append_le(out, plan.signature);
  for (std::size_t i = 0; i < components.size(); ++i) {
    out.push_back(plan.orders[i].descending ? '\1' : '\0');
    append_le(out, static_cast<std::uint32_t>(components[i].size()));
    out += components[i];
  }
  return out;
}

absl::StatusOr<QueryPosition> decode_cursor(const QueryPlan& plan, std::string_view cursor) {
  if (cursor.size() < kHeaderSize || cursor[0] != kFormat) {
    return absl::InvalidArgumentError("The cursor is damaged.");
  }
  if (load_le<std::uint64_t>(cursor, 1) != plan.signature) return mismatch();
  cursor.remove_prefix(kHeaderSize);
  QueryPosition out;
  std::size_t same_direction = 0;
  while (!cursor.empty()) {
    if (cursor.size() < kComponentHeaderSize || out.components.size() == plan.orders.size()) return mismatch();
    const bool descending = cursor[0] != '\0';
    const std::size_t size = load_le<std::uint32_t>(cursor, 1);
    cursor.remove_prefix(kComponentHeaderSize);
    if (cursor.size() < size) return mismatch();
    same_direction += descending == plan.orders[out.components.size()].descending ? 1 : 0;
    out.components.emplace_back(cursor.substr(0, size));
    cursor.remove_prefix(size);
  }
  if (out.components.empty()) return out;
  if (out.components.size() != plan.orders.size()) return mismatch();
  if (same_direction != plan.orders.size() && same_direction != 0) return mismatch();
  // If all orders are reversed, the result before the cursor is the next one.
  out.exclusive = same_direction != 0;
  out.sort_key = sort_key(plan, out.components);
  return out;
}

}  // namespace ndb::local
