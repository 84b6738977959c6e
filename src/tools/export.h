// `ndb export`: a database as a file.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Writes every entity as a line of JSON (entity_json.h), by namespaces and keys, all as of one time. Progress and what
// failed go to stderr. A file is there under its name only when it is whole. The exit code: 0, or 1 if it failed.
// Throws ndb::Error where options make no sense.
int export_entities(const TransferCommand& command);

}  // namespace ndb::tools
