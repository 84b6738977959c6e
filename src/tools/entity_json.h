// Entities as lines of JSON, without loss in either direction.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/datastore/v1/entity.pb.h"

namespace ndb::tools {

namespace v1 = google::datastore::v1;

// The database of a file. Keys in it are written without project and database, so that they become keys of the database
// into which the file is imported.
struct Home {
  std::string project;
  std::string database;
};

// The entity in the JSON of the Datastore's REST API: {"key": {...}, "properties": {"n": {"integerValue": "1"}}}. Names
// are sorted by their bytes, so that equal entities give equal lines. The text has no newline. DATA_LOSS if the entity
// has fields that this version does not know.
absl::StatusOr<std::string> to_json(const v1::Entity& entity, const Home& home);

// The reverse. INVALID_ARGUMENT says where in the line the error is: a field that is unknown, duplicate, or of the
// wrong type; a key that is missing or incomplete. Numbers may be JSON numbers too. Rules that only a Datastore can
// check, such as limits, are not checked.
absl::StatusOr<v1::Entity> from_json(std::string_view line);

}  // namespace ndb::tools
