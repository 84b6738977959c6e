// The plan of faults: which fault happens where in which step. It is determined by the seed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ndb::consistency {

inline constexpr int kMemcacheds = 2;

enum class Place : std::uint8_t { kMemcached0, kMemcached1, kDatastore, kWorkers };

enum class Fault : std::uint8_t {
  kNone,
  kDrop,      // some bytes are lost, and the connection with them
  kCut,       // some bytes still arrive, and nothing after them in either direction
  kDelay,     // bytes arrive late, also after their sender has given up
  kHalfOpen,  // nothing arrives any more in one direction, and the connection stays
  kFlip,      // a bit is changed
  kRefuse,    // all connections are cut, and new ones too
  kKill,      // kill -9, and a new one in its place: of a memcached, which loses its locks, or of a worker
  kPressure,  // a memcached has more to store than it can hold
};
inline constexpr int kFaults = 9;
std::string_view name(Fault fault);

enum class Weather : std::uint8_t { kCalm, kLinks, kDatastore, kCrashes, kPressure, kStorm, kLockLoss, kSplit };
inline constexpr int kWeathers = 8;
std::string_view name(Weather weather);

// The faults of one step, at most one for each place.
using Step = std::array<Fault, 4>;

// A phase has keys and workers of its own, and begins and ends with quiet steps.
struct Phase {
  Weather weather = Weather::kCalm;
  bool pauses = false;  // the answers of the Datastore take some milliseconds, so that calls overlap
  std::vector<Step> steps;

  bool loses_locks(Place memcached) const;  // it is killed in some step
  bool has(Place place) const;              // there is any fault
  bool has_link_faults() const;             // of a memcached: neither a kill nor pressure
};

Phase plan_phase(std::uint64_t seed, int number);

}  // namespace ndb::consistency
