// How much the thread has allocated: what work there was, without a clock.
#pragma once

#include <cstddef>

namespace ndb::testing {

// Bytes since the thread began, also those that were given back.
std::size_t allocated_bytes();

}  // namespace ndb::testing
