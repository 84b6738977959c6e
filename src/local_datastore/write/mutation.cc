#include "local_datastore/write/mutation.h"

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/write/property_mask.h"
#include "local_datastore/write/property_path.h"

namespace ndb::local {
namespace {

absl::Status invalid(std::string_view message) { return absl::InvalidArgumentError(to_absl(message)); }

absl::Status check_mask(const v1::PropertyMask& mask) {
  for (const std::string& text : mask.paths()) {
    if (text == "__key__") continue;
    NDB_ASSIGN_OR_RETURN(const std::vector<std::string> path, parse_property_path(text));
    for (const std::string& name : path) NDB_RETURN_IF_ERROR(check_property_name(name));
  }
  return absl::OkStatus();
}

const v1::Entity& entity_of(const v1::Mutation& mutation) {
  if (mutation.has_insert()) return mutation.insert();
  if (mutation.has_update()) return mutation.update();
  return mutation.upsert();
}

bool conflicts(const v1::Mutation& mutation, const EntityState& state) {
  switch (mutation.conflict_detection_strategy_case()) {
    case v1::Mutation::kBaseVersion:
      return mutation.base_version() != state.version.micros();
    case v1::Mutation::kUpdateTime:
      return !state.exists || to_version(mutation.update_time()) != state.version;
    default:
      return false;
  }
}

absl::Status write_entity(const v1::Mutation& mutation, Version request_time, EntityState& state,
                          v1::MutationResult& result) {
  const v1::Entity& written = entity_of(mutation);
  const bool merges = mutation.has_property_mask() && state.exists;
  if (!merges) state.parsed.reset();
  if (!merges && mutation.property_transforms().empty()) {
    state.entity = written.SerializeAsString();
    NDB_RETURN_IF_ERROR(check_stored_size(state.entity.size()));
  } else {
    if (state.parsed == nullptr) {
      state.parsed = std::make_unique<ParsedEntity>(request_time);
      if (!merges) {
        state.parsed->entity = written;
      } else if (!state.parsed->entity.ParseFromString(state.entity)) {
        return absl::DataLossError("a stored entity is damaged");
      }
    }
    Transformer& changes = state.parsed->changes;
    if (merges) NDB_RETURN_IF_ERROR(write_masked(written, mutation.property_mask(), changes));
    for (const v1::PropertyTransform& transform : mutation.property_transforms()) {
      NDB_RETURN_IF_ERROR(changes.apply(transform, *result.add_transform_results()));
    }
  }
  if (!state.exists) state.create_time = kUncommitted;
  state.exists = true;
  state.version = kUncommitted;
  return absl::OkStatus();
}

void report(const EntityState& state, v1::MutationResult& result) {
  result.set_version((state.exists ? state.version : kUncommitted).micros());
  if (!state.exists) return;
  set_timestamp(*result.mutable_update_time(), state.version);
  set_timestamp(*result.mutable_create_time(), state.create_time);
}

}  // namespace

v1::Key& key_of(v1::Mutation& mutation) {
  switch (mutation.operation_case()) {
    case v1::Mutation::kInsert:
      return *mutation.mutable_insert()->mutable_key();
    case v1::Mutation::kUpdate:
      return *mutation.mutable_update()->mutable_key();
    case v1::Mutation::kUpsert:
      return *mutation.mutable_upsert()->mutable_key();
    default:
      return *mutation.mutable_delete_();
  }
}

absl::Status check_mutation(v1::Mutation& mutation, const Scope& scope) {
  switch (mutation.operation_case()) {
    case v1::Mutation::kInsert:
      NDB_RETURN_IF_ERROR(check_entity(*mutation.mutable_insert(), scope, KeyUse::kInsert));
      break;
    case v1::Mutation::kUpdate:
      NDB_RETURN_IF_ERROR(check_entity(*mutation.mutable_update(), scope, KeyUse::kWrite));
      break;
    case v1::Mutation::kUpsert:
      NDB_RETURN_IF_ERROR(check_entity(*mutation.mutable_upsert(), scope, KeyUse::kInsert));
      break;
    case v1::Mutation::kDelete:
      NDB_RETURN_IF_ERROR(check_key(*mutation.mutable_delete_(), scope, KeyUse::kWrite));
      break;
    case v1::Mutation::OPERATION_NOT_SET:
      return invalid("A mutation must have an operation: insert, update, upsert or delete.");
  }
  if (!mutation.has_delete_()) NDB_RETURN_IF_ERROR(check_mask(mutation.property_mask()));  // a delete ignores it
  if (mutation.has_insert() && mutation.base_version() > 0) {
    return invalid("An insert cannot have a base_version greater than 0.");
  }
  const bool detects = mutation.conflict_detection_strategy_case() != v1::Mutation::CONFLICT_DETECTION_STRATEGY_NOT_SET;
  if (!v1::Mutation::ConflictResolutionStrategy_IsValid(mutation.conflict_resolution_strategy())) {
    return invalid(cat("The conflict_resolution_strategy ", int{mutation.conflict_resolution_strategy()},
                       " is unknown; use SERVER_VALUE (1) or FAIL (3)."));
  }
  if (!detects && mutation.conflict_resolution_strategy() != v1::Mutation::STRATEGY_UNSPECIFIED) {
    return invalid("A conflict_resolution_strategy needs a base_version or an update_time.");
  }
  if (mutation.has_delete_() && !mutation.property_transforms().empty()) {
    return invalid("A delete cannot have property transforms.");
  }
  return check_transforms(*mutation.mutable_property_transforms(), scope);
}

absl::Status apply_mutation(const v1::Mutation& mutation, Version request_time, EntityState& state,
                            v1::MutationResult& result) {
  if (conflicts(mutation, state)) {
    if (mutation.conflict_resolution_strategy() == v1::Mutation::FAIL) {
      return absl::AbortedError("The entity is not at the version that the mutation is based on.");
    }
    result.set_conflict_detected(true);
    report(state, result);
    return absl::OkStatus();
  }
  if (mutation.has_delete_()) {
    state = EntityState{};
    result.set_version(kUncommitted.micros());
    return absl::OkStatus();
  }
  if (mutation.has_insert() && state.exists) {
    return absl::AlreadyExistsError(cat("entity already exists: ", describe_path(mutation.insert().key())));
  }
  if (mutation.has_update() && !state.exists) {
    return absl::NotFoundError(cat("no entity to update: ", describe_path(mutation.update().key())));
  }
  NDB_RETURN_IF_ERROR(write_entity(mutation, request_time, state, result));
  report(state, result);
  return absl::OkStatus();
}

absl::Status finish_mutations(EntityState& state) {
  if (state.parsed == nullptr) return absl::OkStatus();
  state.parsed->changes.finish();
  NDB_RETURN_IF_ERROR(check_composed(state.parsed->entity));
  state.entity = state.parsed->entity.SerializeAsString();
  state.parsed.reset();
  return check_stored_size(state.entity.size());
}

void set_commit_time(v1::MutationResult& result, Version commit_time) {
  if (result.version() == kUncommitted.micros()) result.set_version(commit_time.micros());
  if (result.has_update_time() && to_version(result.update_time()) == kUncommitted) {
    set_timestamp(*result.mutable_update_time(), commit_time);
  }
  if (result.has_create_time() && to_version(result.create_time()) == kUncommitted) {
    set_timestamp(*result.mutable_create_time(), commit_time);
  }
}

}  // namespace ndb::local
