// `ndb serve`: the local Datastore as a process of its own.
#pragma once

#include "ndb/local_datastore.h"

namespace ndb::tools {

// Serves until SIGINT, SIGTERM or `POST /shutdown` arrives, then completes the calls in flight and closes the store; a
// second signal ends the process at once. Call it before any thread is started, because it blocks the two signals.
// Ignores SIGPIPE. Throws ndb::Error if the server can't be started.
void serve(LocalDatastore::Options options);

}  // namespace ndb::tools
