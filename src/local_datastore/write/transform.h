// Property transforms: changes of a property that depend on what is stored.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"
#include "local_datastore/write/array_edit.h"

namespace ndb::local {

absl::Status check_transforms(google::protobuf::RepeatedPtrField<v1::PropertyTransform>& transforms,
                              const Scope& scope);

// Applies the checked transforms of one mutation, one after the other. The entity is complete after finish(), and
// outlives this. One thread.
class Transformer {
 public:
  Transformer(v1::Entity& entity, Version request_time) : entity_(entity), request_time_(request_time) {}

  // Fills `result` with what clients get back: the new value, or null for arrays.
  absl::Status apply(const v1::PropertyTransform& transform, v1::Value& result);
  void finish();

 private:
  using Path = std::vector<std::string>;

  ArrayEdit& array_at(const Path& path);
  void forget_around(const Path& path);

  v1::Entity& entity_;
  const Version request_time_;
  std::map<Path, ArrayEdit> arrays_;  // that were transformed, none of them within another
};

}  // namespace ndb::local
