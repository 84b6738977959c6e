// How much this thread has allocated: a measure of work without a clock.
#pragma once

#include <cstddef>

namespace ndb::testing {

// Bytes since the thread began, including those that were freed.
std::size_t allocated_bytes();

}  // namespace ndb::testing
