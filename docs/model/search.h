// Breadth-first search of everything that can happen in a setup.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "setup.h"

namespace ndb::explorer {

struct Result {
  unsigned violated = 0;  // Property bits
  std::size_t states = 0;
  std::size_t steps = 0;
  int depth = 0;
  double seconds = 0;
  bool complete = false;                                         // every state was visited
  std::map<Property, std::vector<std::string>> counterexamples;  // a shortest one of each, step by step
};

// Ends when all states were visited, or more than `most_states`, or when the properties of `until` have all been
// violated.
Result search(const Setup& setup, unsigned until, std::size_t most_states);

}  // namespace ndb::explorer
