#include "local_datastore/stored_bytes.h"

#include "base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/unknown_field_set.h"
#include "local_datastore/property_path.h"

namespace ndb::local {
namespace {

// A message field looks on the wire like a field of bytes, so the entity goes in as an unknown field of the same
// number: serialized it is the same, and nothing is parsed.
void set_entity_bytes(v1::EntityResult& result, std::string_view entity) {
  result.GetReflection()
      ->MutableUnknownFields(&result)
      ->AddLengthDelimited(v1::EntityResult::kEntityFieldNumber)
      ->assign(entity);
}

void set_versions(const StoredEntity& stored, v1::EntityResult& result) {
  result.set_version(stored.version);
  set_timestamp(*result.mutable_update_time(), stored.version);
  set_timestamp(*result.mutable_create_time(), stored.create_time);
}

// The stored entity up to the end of its first field, which is the key.
absl::StatusOr<std::string_view> key_field(const StoredEntity& stored) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(stored.entity.data()),
                                            static_cast<int>(stored.entity.size()));
  std::uint32_t size = 0;
  in.ReadTag();
  if (!in.ReadVarint32(&size) || !in.Skip(static_cast<int>(size))) {
    return absl::DataLossError("a stored entity is damaged");
  }
  return stored.entity.substr(0, static_cast<std::size_t>(in.CurrentPosition()));
}

}  // namespace

absl::Status fill_result(const StoredEntity& stored, const v1::PropertyMask* mask, v1::EntityResult& result) {
  set_versions(stored, result);
  if (mask == nullptr) {
    set_entity_bytes(result, stored.entity);
    return absl::OkStatus();
  }
  v1::Entity entity;
  if (!entity.ParseFromArray(stored.entity.data(), static_cast<int>(stored.entity.size()))) {
    return absl::DataLossError("a stored entity is damaged");
  }
  NDB_ASSIGN_OR_RETURN(*result.mutable_entity(), masked(entity, *mask));
  return absl::OkStatus();
}

absl::Status fill_key_only(const StoredEntity& stored, v1::EntityResult& result) {
  NDB_ASSIGN_OR_RETURN(const std::string_view key, key_field(stored));
  set_versions(stored, result);
  set_entity_bytes(result, key);
  return absl::OkStatus();
}

absl::Status fill_key(const StoredEntity& stored, v1::Entity& entity) {
  NDB_ASSIGN_OR_RETURN(const std::string_view key, key_field(stored));
  if (!entity.ParseFromArray(key.data(), static_cast<int>(key.size()))) {
    return absl::DataLossError("a stored entity is damaged");
  }
  return absl::OkStatus();
}

}  // namespace ndb::local
