// What is expected of the protocol, and of the model: that it finds what is known to be wrong.
#pragma once

#include <string>

#include "search.h"
#include "setup.h"

namespace ndb::explorer {

// A table: a line for each search.
inline constexpr const char* kHeading =
    "protocol         release  writers reads faults            violated     states      steps depth  seconds";
std::string row(const Setup& setup, const Result& result);

// Prints what it does. `reads`: of each reader, at most.
bool check(int reads);

}  // namespace ndb::explorer
