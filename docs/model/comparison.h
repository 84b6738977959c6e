// Whether the reduction of states (reduction.h) hides anything: a search without it, which holds every state against
// its reduced form.
#pragma once

#include <cstddef>
#include <string>

#include "setup.h"

namespace ndb::explorer {

struct Comparison {
  std::size_t states = 0;
  bool complete = false;   // every state was compared
  std::string difference;  // the step that only one of the two forms has, or what only one of them violates
};

// Ends at the first difference, or when more than `most_states` were visited.
Comparison compare(const Setup& setup, std::size_t most_states);

}  // namespace ndb::explorer
