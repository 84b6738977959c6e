#include "query/results.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "ndb/projection.h"

namespace ndb {
namespace {

// How an index gives a timestamp: its microseconds, marked with this.
constexpr int kFromIndex = 18;

}  // namespace

absl::StatusOr<detail::QueryResult> through_cache(Context::Impl& context, const wire::EntityResult& result,
                                                  WallTime read_time, const detail::ModelInfo& info,
                                                  const Options& options, std::uint64_t generation) {
  detail::QueryResult found;
  NDB_ASSIGN_OR_RETURN(found.key, detail::entity_key(result.entity()));
  NDB_RETURN_IF_ERROR(detail::check_kind(found.key, info));  // GQL may select another one
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const of_kind, detail::find_model(found.key.kind()));
  const bool cache = context.decides_cache(found.key, options, of_kind);
  if (cache) {
    if (auto slot = context.cached(found.key, info)) {
      NDB_ASSIGN_OR_RETURN(found.payload, *std::move(slot));
      return found;
    }
  }
  NDB_ASSIGN_OR_RETURN(found.payload, detail::decode_entity(info, found.key, result.entity()));
  const auto version = static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
  found.payload->set_version(version);
  if (cache) context.cache.store_read(found.key, {found.payload, version, read_time}, generation);
  return found;
}

void detail::decode_projection(const QueryResult& result, const Table& table, void* object) {
  Decoder decoder;
  if (!decoder.properties(table, result.entity, object)) {
    throw_error(decoder.status(result.key.kind(), result.key));
  }
}

std::map<std::string, Value, std::less<>> detail::decode_projection(const QueryResult& result) {
  std::map<std::string, Value, std::less<>> values;
  Decoder decoder;
  if (!decoder.properties(result.entity, values)) throw_error(decoder.status(result.key.kind(), result.key));
  for (auto& [name, value] : values) {
    if (value.meaning() != kFromIndex) continue;
    value.set_meaning(0);
    if (value.type() == ValueType::kInt64) value = Timestamp(std::chrono::microseconds(value.as_int64()));
  }
  return values;
}

const Value& ProjectedEntity::operator[](std::string_view name) const {
  if (const auto found = values_.find(name); found != values_.end()) return found->second;
  throw UnprojectedPropertyError(cat("property ", quoted(name), " of ", key_.to_string(),
                                     " was not asked for: add it to project(), or fetch the whole entity"));
}

}  // namespace ndb
