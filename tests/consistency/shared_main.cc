// Several processes use one SharedCache while memcacheds are killed, filled up and cut off, and processes are killed:
// no get may return a value older than an invalidation that had ended before it began. `./dev consistency` runs it.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/strings.h"
#include "consistency/fault_proxy.h"
#include "consistency/plan.h"
#include "consistency/processes.h"
#include "consistency/shared_truth.h"
#include "consistency/weather.h"
#include "support/memcached_server.h"

namespace ndb::consistency {
namespace {

using std::chrono::milliseconds;

constexpr const char* kUsage =
    "usage: ndb_shared_consistency [--minutes N] [--seed S] [--expect-violation]\n\n"
    "  --minutes N          how long to go on, more or less (default: 0.5)\n"
    "  --seed S             which plan of faults (default: a random one, which is printed)\n"
    "  --expect-violation   succeed if a stale value is served: for builds of a weaker protocol\n";

constexpr std::size_t kWorkers = 3;
constexpr milliseconds kPatience = std::chrono::minutes(2);  // until workers have ended

struct Arguments {
  double minutes = 0.5;
  std::uint64_t seed = std::random_device{}();
  bool expect_violation = false;
};

class SharedRun {
 public:
  explicit SharedRun(const Arguments& arguments)
      : arguments_(arguments), random_(arguments.seed), path_(make_truth()), truth_(map_truth(path_)) {
    for (int i = 0; i < kMemcacheds; ++i) {
      memcacheds_.emplace_back(std::vector<std::string>{"-m", "2"});
      proxies_.emplace_back(memcacheds_.back().port(), random_());
    }
    for (std::size_t i = 0; i < kWorkers; ++i) workers_.push_back(start_worker());
  }
  ~SharedRun() { std::filesystem::remove(path_); }
  SharedRun(const SharedRun&) = delete;
  SharedRun& operator=(const SharedRun&) = delete;

  bool run() {
    const std::int64_t end = shared_now() + static_cast<std::int64_t>(arguments_.minutes * 60e9);
    for (int number = 0; truth_.counts.violations == 0 && ok_ && shared_now() < end; ++number) {
      const Phase plan = plan_phase(arguments_.seed, number);
      for (const Step& step : plan.steps) take(step, plan.pauses);
    }
    for (FaultProxy& proxy : proxies_) proxy.set({});
    for (Process& worker : workers_) {
      if (const std::string why = worker.finish(kPatience); !why.empty()) complain(why);
    }
    summarize();
    return ok_ && truth_.counts.violations == 0;
  }

 private:
  Process start_worker() {
    return Process(
        {"--worker", path_, std::to_string(random_()), cat(proxies_[0].address(), ',', proxies_[1].address())});
  }

  void take(const Step& step, bool pauses) {
    for (std::size_t i = 0; i < proxies_.size(); ++i) {
      if (step[i] == Fault::kKill) {
        // Nothing may take its port meanwhile, not even a connection of the proxy.
        proxies_[i].set({.fault = Fault::kRefuse});
        memcacheds_[i].kill();
        ++kills_;
      } else if (step[i] == Fault::kPressure) {
        fill(memcacheds_[i], random_);
        ++pressures_;
      } else {
        proxies_[i].set(regime_of(step[i], false, pauses));
      }
    }
    if (step[static_cast<std::size_t>(Place::kWorkers)] == Fault::kKill) {
      Process& worker = workers_[random_() % workers_.size()];
      worker.kill();
      worker = start_worker();
      ++worker_kills_;
    }
    poll(nullptr, 0, 100);
    for (std::size_t i = 0; i < proxies_.size(); ++i) {
      if (step[i] != Fault::kKill) continue;
      memcacheds_[i].restart();
      proxies_[i].set(regime_of(Fault::kNone, false, pauses));
    }
  }

  void complain(const std::string& what) {
    std::printf("%s\n", what.c_str());
    ok_ = false;
  }

  void summarize() {
    const SharedTruth::Counts& counts = truth_.counts;
    std::string faults;
    for (int f = 1; f < kFaults; ++f) {
      std::uint64_t injected = 0;
      for (const FaultProxy& proxy : proxies_) injected += proxy.injected(static_cast<Fault>(f));
      if (injected > 0) faults += cat(", ", name(static_cast<Fault>(f)), ' ', injected);
    }
    const std::string text =
        cat("gets: ", counts.gets.load(), ", and ", counts.bounded_gets.load(),
            " within a bound; calls of providers: ", counts.provider_calls.load(),
            "; invalidations: ", counts.invalidations.load(), ", and ", counts.not_invalidated.load(),
            " that memcached did not confirm\n", "faults: memcached killed ", kills_, ", workers killed ",
            worker_kills_, ", fillings ", pressures_, faults, "\nviolations: ", counts.violations.load());
    std::printf("%s\n", text.c_str());
    if (counts.violations > 0) std::printf("the first: %s\n", truth_.first_violation.data());
    // A run with too few calls proves nothing.
    if (counts.violations == 0 && (counts.gets < 1000 || counts.invalidations < 10))
      complain("there was little to check");
  }

  const Arguments arguments_;
  std::mt19937_64 random_;
  const std::string path_;
  SharedTruth& truth_;
  std::deque<testing::MemcachedServer> memcacheds_;
  std::deque<FaultProxy> proxies_;
  std::vector<Process> workers_;
  std::uint64_t kills_ = 0, worker_kills_ = 0, pressures_ = 0;
  bool ok_ = true;
};

Arguments parse(const std::vector<std::string>& arguments) {
  Arguments parsed;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--expect-violation") {
      parsed.expect_violation = true;
    } else if (arguments[i] == "--minutes") {
      parsed.minutes = std::stod(arguments.at(++i));
    } else if (arguments[i] == "--seed") {
      parsed.seed = std::stoull(arguments.at(++i));
    } else {
      throw std::invalid_argument(arguments[i]);
    }
  }
  return parsed;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 4 && arguments[0] == "--worker") {
    return run_shared_worker(arguments[1], std::stoull(arguments[2]), arguments[3]);
  }
  Arguments parsed;
  try {
    parsed = parse(arguments);
  } catch (const std::logic_error&) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(parsed.seed));
  std::fflush(stdout);
  const bool ok = SharedRun(parsed).run();
  if (parsed.expect_violation && ok) std::puts("no stale value was served by a protocol that was weakened");
  return ok == parsed.expect_violation ? 1 : 0;
}

}  // namespace
}  // namespace ndb::consistency

int main(int argc, char** argv) { return ndb::consistency::run({argv + 1, argv + argc}); }
