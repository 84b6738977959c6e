// States that nothing can tell apart are searched as one.
#pragma once

#include <cstdint>

#include "setup.h"
#include "state.h"

namespace ndb::explorer {

// The state without what no longer matters, to what can happen or to what is looked for; and of those that differ only
// in the names of writers and readers that do the same, the least. comparison.h checks that nothing is lost by it.
State reduced(const Setup& setup, State state);
std::uint64_t fingerprint(const State& state);

}  // namespace ndb::explorer
