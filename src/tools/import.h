// `ndb import`: what `ndb export` has written, put into a database.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Puts the entity of every line into the database, over what is there under its key, and reserves the numeric ids of
// its key. Ends at the first line that cannot be imported; the lines before it are. Progress, and which line is wrong
// and why, go to stderr. The exit code: 0, or 1 if it failed. Throws ndb::Error where options make no sense.
int import_entities(const TransferCommand& command);

}  // namespace ndb::tools
