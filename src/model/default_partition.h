// Where keys take from what their maker did not say.
#pragma once

#include "absl/status/status.h"
#include "ndb/key.h"

namespace ndb {

// Gives the partition of the context that is current where it is called, or null without one. Keys ask it for the
// fields that they were not given. The room of the contexts sets it, before there is any context; thread-safe.
using DefaultPartition = const Partition* (*)();
void set_default_partition(DefaultPartition source) noexcept;

// BadKeyError for a part that no key can have; parts that are not set are fine.
absl::Status check_partition(const Partition& where);

}  // namespace ndb
