// The history checker: see driver.h. `./dev consistency` runs it.
#include <cstdio>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "consistency/driver.h"
#include "consistency/worker.h"

namespace {

constexpr const char* kUsage =
    "usage: ndb_consistency [--minutes N] [--seed S] [--expect-violation]\n\n"
    "  --minutes N          how long to go on, more or less (default: 2)\n"
    "  --seed S             which plan of faults (default: a random one, which is printed)\n"
    "  --expect-violation   succeed if the checker finds a violation: for builds of a weaker protocol\n";

struct Arguments {
  ndb::consistency::RunOptions run{};
  bool expect_violation = false;
};

Arguments parse(const std::vector<std::string>& arguments) {
  Arguments parsed;
  parsed.run.seed = std::random_device{}();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--expect-violation") {
      parsed.expect_violation = true;
    } else if (arguments[i] == "--minutes") {
      parsed.run.time = std::chrono::milliseconds(static_cast<std::int64_t>(60'000 * std::stod(arguments.at(++i))));
    } else if (arguments[i] == "--seed") {
      parsed.run.seed = std::stoull(arguments.at(++i));
    } else {
      throw std::invalid_argument(arguments[i]);
    }
  }
  return parsed;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "--worker") {
    return ndb::consistency::run_worker(ndb::consistency::worker_options(arguments));
  }
  Arguments parsed;
  try {
    parsed = parse(arguments);
  } catch (const std::exception&) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(parsed.run.seed));
  const bool ok = ndb::consistency::run(parsed.run);
  if (parsed.expect_violation && ok) std::puts("the checker found no violation of a protocol that was weakened");
  return ok == parsed.expect_violation ? 1 : 0;
}
