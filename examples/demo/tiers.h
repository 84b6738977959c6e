// The packages served back by one tier after the other, and what each of them took.
#pragma once

#include <ndb/ndb.h>

#include <cstddef>
#include <span>

#include "terminal.h"

namespace demo {

// Reads `singles` one by one and `batched` a hundred at a time, from the Datastore, from memcache and from the
// in-context cache, and prints a table. No tier may know the keys before.
void serve_by_tiers(const ndb::Client& client, std::span<const ndb::Key> singles, std::span<const ndb::Key> batched,
                    Claims& claims);

}  // namespace demo
