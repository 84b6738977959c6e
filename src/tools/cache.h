// `ndb cache`: memcache from an operator's point of view.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Prints results to stdout and failures to stderr. Returns the exit code: 0, or 1 if a server did not answer. Throws
// ndb::Error; BadArgumentError for a setting that neither an option nor the environment provides. Replaces the log
// sink.
int cache(const CacheCommand& command);

}  // namespace ndb::tools
