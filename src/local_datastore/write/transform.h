// Changes of single properties: new values, and transforms, which depend on the stored value.
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

// Applies the changes of one entity, one after the other; transforms were checked before. The entity is complete after
// finish(), and outlives this. One thread.
class Transformer {
 public:
  using Path = std::vector<std::string>;
  Transformer(v1::Entity& entity, Version request_time) : entity_(entity), request_time_(request_time) {}

  const v1::Entity& entity() const { return entity_; }  // arrays may still have removed elements
  void set(const Path& path, const v1::Value& value);
  void erase(const Path& path);
  // Sets `result` to what clients get back: the new value, or null for arrays.
  absl::Status apply(const v1::PropertyTransform& transform, v1::Value& result);
  void finish();

 private:
  ArrayEdit& array_at(const Path& path);
  void forget_above(const Path& path);
  void forget_below(const Path& path);

  v1::Entity& entity_;
  const Version request_time_;
  std::map<Path, ArrayEdit> arrays_;  // those that were transformed, none of them within another
};

}  // namespace ndb::local
