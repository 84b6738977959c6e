// What the Datastore accepts: the forms of keys, names, values and entities, and the limits of limits.h, with the codes
// and messages that clients see. Each check also brings its argument into the form that is stored: it fills in
// partitions and cuts timestamps to microseconds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/names.h"
#include "google/datastore/v1/datastore.pb.h"

namespace ndb::local {

namespace v1 = google::datastore::v1;

// The project and database that a request names.
struct Scope {
  std::string project;
  std::string database;
};
absl::Status check_scope(const Scope& scope);

enum class KeyUse {
  kRead,      // complete; reserved names are allowed
  kWrite,     // complete, no reserved names
  kInsert,    // as kWrite, but the last element may be incomplete
  kAllocate,  // the last element must be incomplete
  kValue,     // the value of a property or the key of a nested entity: any path, or none
};
absl::Status check_key(v1::Key& key, const Scope& scope, KeyUse use);
bool is_incomplete(const v1::Key& key);

// The namespace of a query.
absl::Status check_partition(v1::PartitionId& partition, const Scope& scope);

// The entity of an insert (whose key may be incomplete), update or upsert.
absl::Status check_entity(v1::Entity& entity, const Scope& scope, KeyUse use);
// An entity that a mask or transforms have composed of parts that were each checked.
absl::Status check_composed(v1::Entity& entity);
// The size of an entity that is about to be stored.
absl::Status check_stored_size(std::size_t bytes);
// A property at nesting level `depth`; the outermost level is 1.
absl::Status check_depth(std::string_view property, std::size_t depth);
// A value outside of an entity, for `property`: the operand of a filter, which an index must be able to hold, or the
// operand of a transform, whose result check_composed() checks.
absl::Status check_operand(std::string_view property, v1::Value& value, const Scope& scope, bool indexed);

absl::Status check_property_name(std::string_view name);
// A name in a query: of a property, or a path `a.b` to a property of nested entities.
absl::Status check_property_reference(std::string_view name);

// [Person: "ada", Account: 7], the form of paths in messages.
std::string describe_path(const v1::Key& key);

}  // namespace ndb::local
