// Serves the packages from one tier after another, and measures each.
#pragma once

#include <ndb/ndb.h>

#include <cstddef>
#include <span>

#include "terminal.h"

namespace demo {

// Reads `singles` one by one and `batched` a hundred at a time, from the Datastore, from memcache and from the
// in-context cache, and prints a table. None of the keys may be cached yet.
void serve_by_tiers(const ndb::Client& client, std::span<const ndb::Key> singles, std::span<const ndb::Key> batched,
                    Claims& claims);

}  // namespace demo
