// The plan is determined by its seed, has every kind of fault, and separates those that the protocol does not survive
// together.
#include "consistency/plan.h"

#include <gtest/gtest.h>

#include <set>

namespace ndb::consistency {
namespace {

constexpr int kPhases = 200;
constexpr std::array kServers{Place::kMemcached0, Place::kMemcached1};

TEST(Plan, FollowsFromTheSeed) {
  bool differs = false;
  for (int number = 0; number < kPhases; ++number) {
    EXPECT_EQ(plan_phase(7, number).steps, plan_phase(7, number).steps);
    differs |= plan_phase(7, number).steps != plan_phase(8, number).steps;
  }
  EXPECT_TRUE(differs);
}

TEST(Plan, EveryKindOfPhaseComesOnceBeforeAnyIsRepeated) {
  for (int first = 0; first < kPhases; first += kWeathers) {
    std::set<Weather> weathers;
    for (int number = first; number < first + kWeathers; ++number) weathers.insert(plan_phase(7, number).weather);
    EXPECT_EQ(weathers.size(), static_cast<std::size_t>(kWeathers));
  }
}

TEST(Plan, ALostLockMeetsNoWriterThatIsCutOffOrDeadOrWithoutAnAnswer) {
  for (int number = 0; number < kPhases; ++number) {
    const Phase phase = plan_phase(7, number);
    for (const Place server : kServers) {
      if (!phase.loses_locks(server)) continue;
      EXPECT_FALSE(phase.has(Place::kWorkers));
      for (const Step& step : phase.steps) {
        EXPECT_TRUE(step[2] == Fault::kNone || step[2] == Fault::kDelay) << name(step[2]);
        const Fault fault = step[static_cast<std::size_t>(server)];
        EXPECT_TRUE(fault == Fault::kNone || fault == Fault::kKill) << name(fault);
      }
    }
  }
}

TEST(Plan, EveryFaultHappensWhereItCan) {
  std::array<std::set<Fault>, 4> seen;
  for (int number = 0; number < kPhases; ++number) {
    for (const Step& step : plan_phase(7, number).steps) {
      for (std::size_t place = 0; place < step.size(); ++place) seen[place].insert(step[place]);
    }
  }
  EXPECT_EQ(seen[0].size(), static_cast<std::size_t>(kFaults));
  EXPECT_EQ(seen[1].size(), static_cast<std::size_t>(kFaults));
  EXPECT_EQ(seen[2],
            (std::set{Fault::kNone, Fault::kDrop, Fault::kCut, Fault::kDelay, Fault::kHalfOpen, Fault::kRefuse}));
  EXPECT_EQ(seen[3], (std::set{Fault::kNone, Fault::kKill}));
}

TEST(Plan, PhasesBeginAndEndQuietly) {
  for (int number = 0; number < kPhases; ++number) {
    const Phase phase = plan_phase(7, number);
    EXPECT_EQ(phase.steps.front(), Step{});
    EXPECT_EQ(phase.steps.back(), Step{});
  }
}

}  // namespace
}  // namespace ndb::consistency
