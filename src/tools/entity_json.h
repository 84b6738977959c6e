// Entities as lines of JSON, with nothing lost either way.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/datastore/v1/entity.pb.h"

namespace ndb::tools {

namespace v1 = google::datastore::v1;

// The database that a file is of. Keys in it are written without project and database, so that they are keys of
// whatever database the file is imported into.
struct Home {
  std::string project;
  std::string database;
};

// The entity as the Datastore's REST API writes it: {"key": {...}, "properties": {"n": {"integerValue": "1"}}}. Names
// are in the order of their bytes, so equal entities are equal lines. No newline is in it or at its end. DATA_LOSS if
// the entity has fields that this version does not know.
absl::StatusOr<std::string> to_json(const v1::Entity& entity, const Home& home);

// And back. INVALID_ARGUMENT says where in the line what is wrong: a field that does not exist, or twice, or of another
// type; a key that is missing or incomplete. Numbers may be JSON numbers too. What only a Datastore can tell, such as
// limits, is not checked.
absl::StatusOr<v1::Entity> from_json(std::string_view line);

}  // namespace ndb::tools
