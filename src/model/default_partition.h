// The source of the parts of a key's partition that its maker did not set.
#pragma once

#include "absl/status/status.h"
#include "ndb/key.h"

namespace ndb {

// Returns the partition of the current context, or null without one. Keys ask it for the fields that they were not
// given. The context room sets it before any context exists; thread-safe.
using DefaultPartition = const Partition* (*)();
void set_default_partition(DefaultPartition source) noexcept;

// BadKeyError for a part that no key can have; parts that are not set are fine.
absl::Status check_partition(const Partition& where);

}  // namespace ndb
