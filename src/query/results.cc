#include "query/results.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "ndb/projection.h"

namespace ndb {
namespace {

// The meaning with which indexes return a timestamp as microseconds.
constexpr int kFromIndex = 18;

std::uint64_t version_of(const wire::EntityResult& result) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
}

absl::Status decode(const wire::EntityResult& result, const detail::ModelInfo& info, detail::Budget& batch,
                    detail::QueryResult& found) {
  NDB_ASSIGN_OR_RETURN(found.payload, detail::decode_entity(info, found.key, result.entity(), &batch));
  found.payload->set_version(version_of(result));
  return absl::OkStatus();
}

}  // namespace

absl::Status past_cache(const wire::EntityResult& result, const detail::ModelInfo& info, detail::Budget& batch,
                        detail::QueryResult& found) {
  NDB_ASSIGN_OR_RETURN(found.key, detail::entity_key(result.entity()));
  NDB_RETURN_IF_ERROR(detail::check_kind(found.key, info));
  return decode(result, info, batch, found);
}

absl::Status through_cache(Context::Impl& context, const wire::EntityResult& result, WallTime read_time,
                           const detail::ModelInfo& info, const Options& options, std::uint64_t generation,
                           detail::Budget& batch, detail::QueryResult& found) {
  NDB_ASSIGN_OR_RETURN(found.key, detail::entity_key(result.entity()));
  NDB_RETURN_IF_ERROR(detail::check_kind(found.key, info));  // GQL may select another one
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const of_kind, detail::find_model(found.key.kind()));
  const std::uint64_t version = version_of(result);
  const bool cache = context.decides_cache(found.key, options, of_kind);
  if (auto cached = context.known(found.key, info, cache); cached.known) {
    if (cached.payload.ok()) {
      found.payload = *std::move(cached.payload);
      return absl::OkStatus();
    }
    // The entity of a PolyModel may be of another class than the query's. If the cached one is not older than this
    // result, the entity has changed its class, and is no longer a result.
    if (!detail::is_poly(info) || !absl::IsNotFound(cached.payload.status())) return cached.payload.status();
    const bool own = context.workspace->own_writes.find(found.key) != nullptr;
    if (own || context.cache.find(found.key)->version >= version) return absl::OkStatus();
  }
  NDB_RETURN_IF_ERROR(decode(result, info, batch, found));
  if (cache) context.cache.store_read(found.key, {found.payload, version, read_time}, generation);
  return absl::OkStatus();
}

absl::Status detail::decode_projection(const Key& key, std::string_view entity, const Table& table, void* object) {
  Decoder decoder;
  return decoder.properties(table, entity, object) ? absl::OkStatus() : decoder.status(key.kind(), key);
}

absl::StatusOr<std::map<std::string, Value, std::less<>>> detail::decode_projection(const Key& key,
                                                                                    std::string_view entity) {
  std::map<std::string, Value, std::less<>> values;
  Decoder decoder;
  if (!decoder.properties(entity, values)) return decoder.status(key.kind(), key);
  for (auto& [name, value] : values) {
    if (value.meaning() != kFromIndex) continue;
    value.set_meaning(0);
    if (value.type() == ValueType::kInt64) value = Timestamp(std::chrono::microseconds(value.as_int64()));
  }
  return values;
}

absl::StatusOr<std::any> ProjectedEntity::decode(const Key& key, std::string_view entity) {
  ProjectedEntity row;
  NDB_ASSIGN_OR_RETURN(row.values_, detail::decode_projection(key, entity));
  row.key_ = key;
  return std::any(std::move(row));
}

const Value& ProjectedEntity::operator[](std::string_view name) const {
  if (const auto found = values_.find(name); found != values_.end()) return found->second;
  throw UnprojectedPropertyError(cat("property ", quoted(name), " of ", key_.to_string(),
                                     " was not asked for: add it to project(), or fetch the whole entity"));
}

}  // namespace ndb
