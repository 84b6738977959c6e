#include "local_datastore/write/stored_bytes.h"

#include "base/status_macros.h"
#include "google/protobuf/unknown_field_set.h"

namespace ndb::local {
namespace {

// On the wire a message field looks like a bytes field, so the entity is added as an unknown field with the same
// number: the serialized bytes are the same, and nothing is parsed.
void set_entity_bytes(v1::EntityResult& result, std::string_view entity) {
  result.GetReflection()
      ->MutableUnknownFields(&result)
      ->AddLengthDelimited(v1::EntityResult::kEntityFieldNumber)
      ->assign(entity);
}

void set_versions(const StoredEntity& stored, v1::EntityResult& result) {
  result.set_version(stored.version.micros());
  set_timestamp(*result.mutable_update_time(), stored.version);
  set_timestamp(*result.mutable_create_time(), stored.create_time);
}

}  // namespace

absl::Status fill_result(const StoredEntity& stored, const ReadMask* mask, v1::EntityResult& result) {
  set_versions(stored, result);
  if (mask == nullptr) {
    set_entity_bytes(result, stored.entity);
    return absl::OkStatus();
  }
  v1::Entity entity;
  if (!entity.ParseFromArray(stored.entity.data(), static_cast<int>(stored.entity.size()))) {
    return absl::DataLossError("a stored entity is damaged");
  }
  *result.mutable_entity() = mask->apply(entity);
  return absl::OkStatus();
}

}  // namespace ndb::local
