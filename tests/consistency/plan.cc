// Which faults may meet, and which may not.
//
// A cached value is safe by two mechanisms: (a) the lock that a writer holds from before its commit until after it, and
// (b) what the writer does to the record after the commit and before it is acknowledged. One of them is enough for P1;
// P2 needs one of them too, for writers that nobody ever hears of again. So the protocol promises to survive
//
//   the loss of (b): a writer that dies, loses its link to memcached, is answered late or never, or does not learn what
//                    became of its commit. Its lock stays, until it ends by itself (64 s; 330 s after an unknown
//                    outcome). Any number of these together are survived, with P3 as well;
//   the loss of (a): a memcached that is killed and comes back empty. The writer still does (b). P3 may fail, as
//                    another reader may have seen the new version in the Datastore before (b).
//
// but not both for one write, which leaves what a reader filled in between:
//
//                          writer dies   its link fails   outcome unknown   memory pressure
//    memcached killed          P2             P1                P2               none
//    memory pressure          none           none              none
//
// (Violated by the pair; from an exhaustive search of the protocol's states.) Memory pressure evicts anything but
// locks, because the servers run with temporary_ttl, so that it may meet everything.
//
// Hence the plan keeps apart, in the whole phase because a lock lasts longer than one: phases in which a memcached is
// killed have no faults of workers, none of the Datastore but delays that no deadline cuts short, and no faults of the
// link to that memcached; the other one's link may fail (kSplit), as locks and releases of one server do not depend on
// the other. What is left over from a phase are locks on its keys and writers without an answer; each phase has new
// keys and new workers, so that neither meets the next one.
//
// A bit that flips is the loss of a command or of an answer: the checksum of the record covers all of it, and of a
// command line libmemcached or the server refuse what makes no sense. The exception are digits, for which see
// FaultProxy.
#include "consistency/plan.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace ndb::consistency {
namespace {

constexpr int kSteps = 26;
constexpr int kQuietAtBegin = 2;
constexpr int kQuietAtEnd = 3;

using Random = std::mt19937_64;

// Not std::uniform_int_distribution, whose results differ between standard libraries.
std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }
bool percent(Random& random, std::uint64_t chance) { return below(random, 100) < chance; }

Fault link_fault(Random& random) {
  constexpr std::array kLink{Fault::kDrop, Fault::kCut, Fault::kDelay, Fault::kHalfOpen, Fault::kFlip, Fault::kRefuse};
  return kLink[below(random, kLink.size())];
}

// TLS protects the bits of the Datastore's bytes; the local one does without it.
Fault datastore_fault(Random& random) {
  constexpr std::array kLink{Fault::kDrop, Fault::kCut, Fault::kDelay, Fault::kHalfOpen, Fault::kRefuse};
  return kLink[below(random, kLink.size())];
}

class StepMaker {
 public:
  StepMaker(Random& random, Weather weather)
      : random_(&random), weather_(weather), killed_(below(random, kMemcacheds)), both_killed_(percent(random, 30)) {}

  Step next() {
    Step step{};
    for (std::size_t memcached = 0; memcached < kMemcacheds; ++memcached) step[memcached] = of_memcached(memcached);
    const bool datastore = weather_ == Weather::kDatastore || weather_ == Weather::kStorm;
    if (datastore && percent(*random_, 45)) step[2] = datastore_fault(*random_);
    if (weather_ == Weather::kLockLoss && percent(*random_, 30)) step[2] = Fault::kDelay;
    const bool crashes = weather_ == Weather::kCrashes || weather_ == Weather::kStorm || weather_ == Weather::kPressure;
    if (crashes && percent(*random_, weather_ == Weather::kCrashes ? 35 : 12)) step[3] = Fault::kKill;
    return step;
  }

 private:
  Fault of_memcached(std::size_t memcached) {
    switch (weather_) {
      case Weather::kLinks:
        return percent(*random_, 50) ? link_fault(*random_) : Fault::kNone;
      case Weather::kPressure:
        return percent(*random_, 80) ? Fault::kPressure : Fault::kNone;
      case Weather::kStorm:
        return percent(*random_, 20) ? Fault::kPressure : percent(*random_, 30) ? link_fault(*random_) : Fault::kNone;
      case Weather::kLockLoss:
        return (both_killed_ || memcached == killed_) && percent(*random_, 20) ? Fault::kKill : Fault::kNone;
      case Weather::kSplit:
        if (memcached == killed_) return percent(*random_, 20) ? Fault::kKill : Fault::kNone;
        return percent(*random_, 40) ? link_fault(*random_) : Fault::kNone;
      case Weather::kCalm:
      case Weather::kDatastore:
      case Weather::kCrashes:
        break;
    }
    return Fault::kNone;
  }

  Random* random_;
  Weather weather_;
  std::size_t killed_;
  bool both_killed_;
};

// Every kind of phase comes once before any is repeated.
Weather weather_of(std::uint64_t seed, int number) {
  Random random(seed + static_cast<std::uint64_t>(number / kWeathers) * 0x9E37'79B9'7F4A'7C15);
  std::array<int, kWeathers> order{};
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(random, i)]);
  return static_cast<Weather>(order[static_cast<std::size_t>(number % kWeathers)]);
}

}  // namespace

std::string_view name(Fault fault) {
  constexpr std::array<std::string_view, kFaults> kNames{"none",     "drop",   "cut",  "delay",   "half-open",
                                                         "bit flip", "refuse", "kill", "pressure"};
  return kNames[static_cast<std::size_t>(fault)];
}

std::string_view name(Weather weather) {
  constexpr std::array<std::string_view, kWeathers> kNames{"calm",     "links", "datastore", "crashes",
                                                           "pressure", "storm", "lock loss", "split"};
  return kNames[static_cast<std::size_t>(weather)];
}

bool Phase::loses_locks(Place memcached) const {
  const auto place = static_cast<std::size_t>(memcached);
  return std::ranges::any_of(steps, [&](const Step& step) { return step[place] == Fault::kKill; });
}

bool Phase::has(Place place) const {
  return std::ranges::any_of(steps,
                             [&](const Step& step) { return step[static_cast<std::size_t>(place)] != Fault::kNone; });
}

bool Phase::has_link_faults() const {
  const auto of_link = [](Fault fault) {
    return fault != Fault::kNone && fault != Fault::kKill && fault != Fault::kPressure;
  };
  return std::ranges::any_of(steps, [&](const Step& step) { return of_link(step[0]) || of_link(step[1]); });
}

Phase plan_phase(std::uint64_t seed, int number) {
  Random random(seed ^ (static_cast<std::uint64_t>(number) + 1) * 0xD6E8'FEB8'6659'FD93);
  Phase phase;
  phase.weather = weather_of(seed, number);
  phase.pauses = percent(random, 70);
  StepMaker maker(random, phase.weather);
  phase.steps.resize(kSteps);
  for (int i = kQuietAtBegin; i < kSteps - kQuietAtEnd; ++i) phase.steps[static_cast<std::size_t>(i)] = maker.next();
  return phase;
}

}  // namespace ndb::consistency
