// One state of the world: memcached with one record, the Datastore with one entity, and everybody who uses them. All of
// it is bytes, so that states can be hashed, compared and stored as they are.
//
// What is unbounded in reality is renamed to something small and equivalent. CAS uniques: all that matters is who holds
// the one that the record has now (`fresh`). Tokens: each writer's current one has a bit; those that it gave up, and
// those of writers that are gone, are searched for by nobody and share one bit.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <type_traits>

#include "memcache/protocol/record.h"
#include "setup.h"

namespace ndb::explorer {

using Byte = std::uint8_t;
using Bits = std::uint8_t;

// Everybody with a connection to memcached, by the bit in `fresh`: writers, readers, the invalidator; and the command
// that was delayed.
using Actor = int;
inline constexpr Actor kFirstReader = kMaxWriters;
inline constexpr Actor kInvalidator = kFirstReader + kReaders;
inline constexpr Actor kLate = kInvalidator + 1;
constexpr Bits bit(int i) { return static_cast<Bits>(1U << i); }
inline void set(Bits& bits, Bits which) { bits = static_cast<Bits>(bits | which); }
inline void clear(Bits& bits, Bits which) { bits = static_cast<Bits>(bits & ~which); }

// A record of memcached, or what somebody saw of it or wants to store. `kind` 0 is ABSENT, else a memcache::State.
struct Cell {
  Byte kind = 0;
  Byte version = 0;
  Bits holders = 0;    // LOCK: current tokens of writers, kOrphans, and from kProlonged on the longer deadlines
  Byte contended = 0;  // LOCK
  Byte marked = 0;     // EMPTY: has the token of the invalidator

  bool is(memcache::State state) const { return kind == static_cast<Byte>(state); }
  bool is_absent() const { return kind == 0; }
  auto operator<=>(const Cell&) const = default;
};
inline constexpr int kOrphans = kMaxWriters;
inline constexpr int kProlonged = kMaxWriters + 1;
inline constexpr Bits kWriterBits = (1U << kMaxWriters) - 1;

struct Command {
  enum Verb : Byte { kNone, kRead, kAdd, kCas, kSet, kDelete };
  // How long a LOCK is stored for: the commit of its only holder, until even a late commit can't come, the longest.
  enum Life : Byte { kHold, kUnknownHold, kLongest };
  Byte verb = kNone;
  Byte life = kHold;
  Byte reused = 0;  // its unique is of before a restart, and is sent all the same
  Cell cell{};
  auto operator<=>(const Command&) const = default;
};

enum ActorFlag : Bits {
  kParted = 1,      // does not reach memcached any more
  kStale = 2,       // its connection is gone, which it may not have noticed
  kBlind = 4,       // writer: the LOCK under way is set blindly
  kTainted = 8,     // writer: an earlier attempt of its commit is of unknown outcome
  kUncertain = 16,  // writer: the outcome of its commit is unknown
  kLeased = 32,     // reader: may fill
};

struct Writer {
  enum Phase : Byte { kLocking, kCommitting, kReleasing, kDone };
  Byte phase = kLocking;
  Byte round = 0;
  Byte version = 0;  // of its commit
  Bits flags = 0;
  Command command{};  // kCommitting: the cell is what it last saw
  auto operator<=>(const Writer&) const = default;
};

struct Reader {
  enum Phase : Byte { kReading, kLookup, kFilling, kDone };
  Byte phase = kReading;
  Byte round = 0;
  Byte reads = 0;
  Bits flags = 0;
  Byte acked = 0;  // what had been acknowledged, and returned to anybody, when the read began
  Byte returned = 0;
  Byte floor = 0;    // of its context
  Byte version = 0;  // kLookup: the least that may be filled in; kFilling: what it is about to return
  Command command{};
  Command fill{};  // sent, and not waited for
  auto operator<=>(const Reader&) const = default;
};

struct Invalidator {
  enum Phase : Byte { kAtWork, kDone };
  Byte phase = kAtWork;
  Byte round = 0;
  Bits flags = 0;
  Command command{};
  auto operator<=>(const Invalidator&) const = default;
};

struct State {
  Cell record{};
  Bits guards = 0;  // for whose commit, and from kMaxWriters on for whose late one, the LOCK is stored long enough
  Bits fresh = 0;   // who holds the unique of the record as it is now
  Command late{};   // given up by its client; the server executes it some time

  Byte version = 1;  // of the entity
  Byte exists = 1;
  Byte acked = 1;         // the greatest version that was acknowledged
  Byte returned = 1;      // the greatest version that a completed read returned
  Bits late_commits = 0;  // of which writers

  std::array<Writer, kMaxWriters> writers{};
  std::array<Reader, kReaders> readers{};
  Invalidator invalidator{};
  std::array<Byte, kFaultKinds> faults{};  // that may still happen
  Byte violated = 0;                       // by the step that led here; never part of a state that is kept

  auto operator<=>(const State&) const = default;
};
static_assert(std::has_unique_object_representations_v<State>);

Command& command_of(State& state, Actor actor);
Bits& flags_of(State& state, Actor actor);

// The writer's token is not used again: it will draw a new one, or is gone.
void give_up_token(State& state, int writer);
// The writer is gone.
void retire(State& state, int writer);
// Whether memcached serves a stale value although nobody is in the middle of anything and nothing is left that could
// still happen by itself.
bool keeps_stale(const Setup& setup, const State& state);

std::string text(const Cell& cell);
std::string name_of(Actor actor);

}  // namespace ndb::explorer
