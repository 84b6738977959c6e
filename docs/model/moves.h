// The world around the actors: what a state can become by one step of anybody, by time, or by a fault.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "protocol.h"
#include "state.h"

namespace ndb::explorer {

// Nothing cached, and the first version cached.
std::vector<State> initial_states(const Setup& setup, const Protocol& protocol);

// Takes a state and what led to it, in words, which are only made when asked for.
using Found = absl::FunctionRef<void(const State& state, absl::FunctionRef<std::string()> label)>;
void successors(const Setup& setup, const Protocol& protocol, const State& from, Found found);

}  // namespace ndb::explorer
