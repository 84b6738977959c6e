// `ndb cache`: memcache as its operators see it.
#pragma once

#include "tools/command.h"

namespace ndb::tools {

// Prints the answer to stdout and what failed to stderr. The exit code: 0, or 1 if a server did not answer. Throws
// ndb::Error; BadArgumentError for what no option and no environment variable says. Replaces the log sink.
int cache(const CacheCommand& command);

}  // namespace ndb::tools
