// Settings of random tests from the environment: the seed and the number of steps.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace ndb::testing {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

// NDB_TEST_SEED, or a new seed each time; printed, so that a run that failed can be repeated.
inline std::uint64_t test_seed() {
  const std::uint64_t seed = number_from("NDB_TEST_SEED", std::random_device()());
  std::cout << "NDB_TEST_SEED=" << seed << '\n';
  return seed;
}

// NDB_TEST_STEPS, or as many as fit into the ordinary run of the tests. `./dev model` runs the long form.
inline std::uint64_t test_steps(std::uint64_t usual) { return number_from("NDB_TEST_STEPS", usual); }

}  // namespace ndb::testing
