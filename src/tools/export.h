// `ndb export`: a database as a file.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Writes every entity as a line of JSON (entity_json.h), in the order of namespaces and keys, all as of one time.
// Progress and errors go to stderr. The file appears under its name only when it is complete. Returns the exit code: 0,
// or 1 for a failure. Throws ndb::Error for invalid options.
int export_entities(const TransferCommand& command);

}  // namespace ndb::tools
