// Judges a history. The properties, as in docs/adr/0006-memcache-protocol.md:
//
// - P1: no read returns a version older than one acknowledged before the read began. A read of absence is legal if a
//   delete that may have been applied, or the initial state, is not older than that.
// - P2: when everything has ended, memcache serves what the Datastore has, or nothing.
// - P3: no read returns a version older than one that a read returned which had ended before it began. Not promised for
//   keys whose memcached lost its locks.
// - session: a context's own cache returns nothing older than what the context has written or read before. It is held
//   against nothing else.
// - counter: no increment that was acknowledged is lost, and none is applied that was not made.
// - value: a read returns what was written to its key, and not before it was.
//
// Writes of unknown outcome may be applied at any time after their call, or never.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "consistency/history.h"

namespace ndb::consistency {

enum class Property : std::uint8_t { kP1, kP2, kP3, kSession, kCounter, kValue };
std::string_view name(Property property);

struct Violation {
  Property property = Property::kP1;
  KeyIndex key = 0;
  std::string what{};     // one line
  std::string excerpt{};  // the events of the key that show it, a line each, in the order of time
};

struct Report {
  std::array<std::uint64_t, kTiers> reads{};  // checked, by tier
  std::uint64_t writes = 0;
  std::uint64_t acknowledged = 0;       // of them
  std::uint64_t unknown = 0;            // the Datastore was asked for them and never answered
  std::uint64_t p3_exempt = 0;          // reads older than a completed one, of keys whose locks were lost
  std::uint64_t count = 0;              // of violations
  std::vector<Violation> violations{};  // the first few
};

// Takes time in proportion to the reads.
Report check(const History& history);

}  // namespace ndb::consistency
