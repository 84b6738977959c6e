// Property transforms: changes of a property that depend on what is stored.
#pragma once

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"

namespace ndb::local {

absl::Status check_transforms(google::protobuf::RepeatedPtrField<v1::PropertyTransform>& transforms,
                              const Scope& scope);

// Applies a checked transform, and fills `result` with what clients get back: the new value, or null for arrays.
absl::Status apply_transform(const v1::PropertyTransform& transform, Version request_time, v1::Entity& entity,
                             v1::Value& result);

}  // namespace ndb::local
