#include "local_datastore/rules.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

absl::Status invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status check_inherited(std::string& own, const std::string& of_request, std::string_view what) {
  if (own.empty()) own = of_request;
  if (own == of_request) return absl::OkStatus();
  return invalid(cat("mismatched ", what, "s within request: ", quoted(of_request), " vs. ", quoted(own)));
}

// entity.proto: a dimension of a partition matches [A-Za-z\d\.\-_]{1,100}, or is empty.
absl::Status check_dimension(std::string_view what, std::string_view id) {
  if (id.size() > kMaxPartitionBytes) {
    return invalid(cat("The ", what, " id ", quoted(id), " is longer than ", kMaxPartitionBytes, " bytes."));
  }
  const bool plain = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
  if (plain) return absl::OkStatus();
  return invalid(
      cat("The ", what, " id ", quoted(id), " has other characters than letters, digits, '.', '-' and '_'."));
}

absl::Status check_element(const v1::Key::PathElement& element, bool last, KeyUse use, const v1::Key& key) {
  if (element.kind().empty()) return invalid("The kind is the empty string.");
  if (element.kind().size() > kMaxNameBytes) return invalid(cat("The kind is longer than ", kMaxNameBytes, " bytes."));
  const bool writes = use != KeyUse::kRead && use != KeyUse::kValue;
  if (writes && is_reserved(element.kind())) return invalid(cat("The kind \"", element.kind(), "\" is reserved."));
  if (element.has_name()) {
    if (element.name().empty()) return invalid("The key path element name is the empty string.");
    if (element.name().size() > kMaxNameBytes) {
      return invalid(cat("The key path element name is longer than ", kMaxNameBytes, " bytes."));
    }
    if (writes && is_reserved(element.name())) {
      return invalid(cat("The key path element name \"", element.name(), "\" is reserved."));
    }
  }
  const bool incomplete = !element.has_name() && element.id() == 0;
  if (incomplete && !last) return invalid(cat("Key path element must not be incomplete: ", describe_path(key)));
  if (incomplete && (use == KeyUse::kRead || use == KeyUse::kWrite)) {
    return invalid(cat("Key path is incomplete: ", describe_path(key)));
  }
  if (!incomplete && last && use == KeyUse::kAllocate) {
    return invalid(cat("Key path is complete: ", describe_path(key)));
  }
  return absl::OkStatus();
}

// Checks the values of one entity.
class EntityRules {
 public:
  explicit EntityRules(const Scope& scope) : scope_(scope), writes_(true) {}
  // For an operand, which is not stored itself and may have the meaning of a projected value.
  EntityRules(const Scope& scope, std::string_view property) : scope_(scope), writes_(false), property_(property) {}

  absl::Status check_properties(v1::Entity& entity, bool indexed, std::size_t depth) {
    const std::size_t path_of_entity = path_bytes_;
    for (auto& [name, value] : *entity.mutable_properties()) {
      NDB_RETURN_IF_ERROR(check_property_name(name));
      if (depth == 1) property_ = name;
      path_bytes_ = path_of_entity + (depth == 1 ? 0 : 1) + name.size();
      NDB_RETURN_IF_ERROR(check_value(value, indexed, depth, false));
    }
    path_bytes_ = path_of_entity;
    return absl::OkStatus();
  }

  absl::Status check_value(v1::Value& value, bool indexed, std::size_t depth, bool in_array) {
    NDB_RETURN_IF_ERROR(check_depth(property_, depth));
    if (writes_ && value.meaning() == 18) return invalid("The meaning 18 may not be written.");
    const bool leaf_indexed = indexed && !value.exclude_from_indexes();
    switch (value.value_type_case()) {
      case v1::Value::kArrayValue:
        return check_array(value, indexed, depth, in_array);
      case v1::Value::kEntityValue:
        if (value.entity_value().has_key()) {
          NDB_RETURN_IF_ERROR(check_key(*value.mutable_entity_value()->mutable_key(), scope_, KeyUse::kValue));
        }
        return check_properties(*value.mutable_entity_value(), leaf_indexed, depth + 1);
      case v1::Value::kKeyValue:
        NDB_RETURN_IF_ERROR(check_key(*value.mutable_key_value(), scope_, KeyUse::kValue));
        break;
      case v1::Value::kStringValue:
        NDB_RETURN_IF_ERROR(check_length(value.string_value().size(), leaf_indexed));
        break;
      case v1::Value::kBlobValue:
        NDB_RETURN_IF_ERROR(check_length(value.blob_value().size(), leaf_indexed));
        break;
      case v1::Value::kTimestampValue:
        NDB_RETURN_IF_ERROR(check_timestamp(*value.mutable_timestamp_value()));
        break;
      case v1::Value::kGeoPointValue:
        NDB_RETURN_IF_ERROR(check_geo_point(value.geo_point_value()));
        break;
      default:
        break;
    }
    if (leaf_indexed && path_bytes_ > kMaxNameBytes) {
      return invalid(cat("The path to a value within property ", quoted(property_), " is longer than ", kMaxNameBytes,
                         " bytes; it can be stored if it is excluded from indexes."));
    }
    if (leaf_indexed && ++index_entries_ > kMaxIndexEntries) {
      return invalid(cat("The entity has more than ", kMaxIndexEntries, " indexed values."));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status check_array(v1::Value& value, bool indexed, std::size_t depth, bool in_array) {
    if (in_array) return invalid("list_value cannot contain a Value containing another list_value.");
    if (value.meaning() != 0) return invalid("list_value cannot have a meaning.");
    if (value.exclude_from_indexes() && value.array_value().values_size() > 0) {
      return invalid("list_value cannot specify exclude_from_indexes; its elements can.");
    }
    for (v1::Value& element : *value.mutable_array_value()->mutable_values()) {
      NDB_RETURN_IF_ERROR(check_value(element, indexed, depth, true));
    }
    return absl::OkStatus();
  }

  absl::Status check_length(std::size_t size, bool indexed) const {
    const std::size_t limit = indexed ? kMaxIndexedBytes : kMaxUnindexedBytes;
    if (size <= limit) return absl::OkStatus();
    return invalid(cat("The value of property ", quoted(property_), " is longer than ", limit, " bytes."));
  }

  absl::Status check_timestamp(google::protobuf::Timestamp& timestamp) const {
    constexpr std::int64_t kFirst = -62'135'596'800;  // 0001-01-01
    constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31T23:59:59
    if (timestamp.seconds() < kFirst || timestamp.seconds() > kLast || timestamp.nanos() < 0 ||
        timestamp.nanos() > 999'999'999) {
      return invalid(cat("The timestamp of property ", quoted(property_), " is outside of the years 1 to 9999."));
    }
    timestamp.set_nanos(timestamp.nanos() / 1000 * 1000);
    return absl::OkStatus();
  }

  // The comparisons are false for NaN.
  static absl::Status check_geo_point(const google::type::LatLng& point) {
    if (!(point.latitude() >= -90 && point.latitude() <= 90)) {
      return invalid("Geo point latitude outside permitted range -90.0 to 90.0.");
    }
    if (!(point.longitude() >= -180 && point.longitude() <= 180)) {
      return invalid("Geo point longitude outside permitted range -180.0 to 180.0.");
    }
    return absl::OkStatus();
  }

  const Scope& scope_;
  const bool writes_;
  std::string_view property_;
  std::size_t path_bytes_ = 0;  // the length of the path `a.b` of the current value
  int index_entries_ = 0;
};

}  // namespace

bool is_incomplete(const v1::Key& key) {
  if (key.path_size() == 0) return true;
  const v1::Key::PathElement& last = key.path(key.path_size() - 1);
  return !last.has_name() && last.id() == 0;
}

absl::Status check_scope(const Scope& scope) {
  if (scope.project.empty()) return invalid("The project id is the empty string.");
  if (scope.project.size() > kMaxNameBytes) {
    return invalid(cat("The project id is longer than ", kMaxNameBytes, " bytes."));
  }
  if (scope.database == "(default)") {
    return invalid("The database id \"(default)\" is not allowed; leave it empty for the default database.");
  }
  return check_dimension("database", scope.database);
}

absl::Status check_partition(v1::PartitionId& partition, const Scope& scope) {
  NDB_RETURN_IF_ERROR(check_inherited(*partition.mutable_project_id(), scope.project, "project"));
  NDB_RETURN_IF_ERROR(check_inherited(*partition.mutable_database_id(), scope.database, "database"));
  if (is_reserved(partition.namespace_id())) {
    return invalid(cat("The namespace id \"", partition.namespace_id(), "\" is reserved."));
  }
  return check_dimension("namespace", partition.namespace_id());
}

absl::Status check_key(v1::Key& key, const Scope& scope, KeyUse use) {
  const bool nothing = key.path_size() == 0 && key.partition_id().ByteSizeLong() == 0;
  if (use == KeyUse::kValue && nothing) return absl::OkStatus();
  if (key.path_size() == 0) return invalid("Key path is empty.");
  if (key.path_size() > kMaxPathElements) {
    return invalid(cat("Key path has ", key.path_size(), " elements; at most ", kMaxPathElements, " are allowed."));
  }
  if (use == KeyUse::kValue) {
    // The value of a key property may be in another project or database.
    v1::PartitionId& partition = *key.mutable_partition_id();
    if (partition.project_id().empty()) {
      partition.set_project_id(scope.project);
      if (partition.database_id().empty()) partition.set_database_id(scope.database);
    }
    NDB_RETURN_IF_ERROR(check_dimension("database", partition.database_id()));
    NDB_RETURN_IF_ERROR(check_dimension("namespace", partition.namespace_id()));
  } else {
    NDB_RETURN_IF_ERROR(check_partition(*key.mutable_partition_id(), scope));
  }
  for (int i = 0; i < key.path_size(); ++i) {
    NDB_RETURN_IF_ERROR(check_element(key.path(i), i + 1 == key.path_size(), use, key));
  }
  if (key.ByteSizeLong() > kMaxKeyBytes) return invalid(cat("The key is longer than ", kMaxKeyBytes, " bytes."));
  return absl::OkStatus();
}

absl::Status check_property_name(std::string_view name) {
  if (name.empty()) return invalid("The property.name is the empty string.");
  if (name.size() > kMaxNameBytes) return invalid(cat("The property.name is longer than ", kMaxNameBytes, " bytes."));
  if (is_reserved(name)) return invalid(cat("The property.name \"", name, "\" is reserved."));
  return absl::OkStatus();
}

absl::Status check_property_reference(std::string_view name) {
  constexpr std::size_t kMaxPathBytes = kMaxPathNames * (kMaxNameBytes + 1) - 1;
  if (name.size() > kMaxPathBytes) {
    return invalid(cat("The property.name ", quoted(name), " is longer than ", kMaxPathNames, " names of ",
                       kMaxNameBytes, " bytes."));
  }
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    if (end - begin > kMaxNameBytes) {
      return invalid(
          cat("The property.name ", quoted(name), " has a part that is longer than ", kMaxNameBytes, " bytes."));
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

absl::Status check_entity(v1::Entity& entity, const Scope& scope, KeyUse use) {
  NDB_RETURN_IF_ERROR(check_key(*entity.mutable_key(), scope, use));
  return EntityRules(scope).check_properties(entity, true, 1);
}

absl::Status check_composed(v1::Entity& entity) {
  const Scope scope{.project = entity.key().partition_id().project_id(),
                    .database = entity.key().partition_id().database_id()};
  return EntityRules(scope).check_properties(entity, true, 1);
}

absl::Status check_depth(std::string_view property, std::size_t depth) {
  if (depth <= kMaxPathNames) return absl::OkStatus();
  return invalid(cat("The value of property ", quoted(property), " is nested deeper than ", kMaxDepth, " levels."));
}

absl::Status check_stored_size(std::size_t bytes) {
  if (bytes > kMaxEntityBytes)
    return invalid(cat("entity is too big: ", bytes, " bytes, the limit is ", kMaxEntityBytes));
  return absl::OkStatus();
}

absl::Status check_operand(std::string_view property, v1::Value& value, const Scope& scope, bool indexed) {
  return EntityRules(scope, property).check_value(value, indexed, 1, false);
}

std::string describe_path(const v1::Key& key) {
  std::string out = "[";
  for (const v1::Key::PathElement& element : key.path()) {
    if (out.size() > 1) out += ", ";
    out += cat(element.kind(), ": ");
    if (element.has_name()) {
      out += quoted(element.name());
    } else if (element.id() != 0) {
      out += std::to_string(element.id());
    } else {
      out += "null";
    }
  }
  return out + "]";
}

}  // namespace ndb::local
