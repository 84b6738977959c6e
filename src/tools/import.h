// `ndb import`: puts what `ndb export` has written into a database.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Puts the entity of every line into the database, replaces what is stored under its key, and reserves the numeric ids
// of the key. Stops at the first line that cannot be imported; the lines before it are imported. Progress, and the
// number and error of a bad line, go to stderr. Returns the exit code: 0, or 1 for a failure. Throws ndb::Error for
// invalid options.
int import_entities(const TransferCommand& command);

}  // namespace ndb::tools
