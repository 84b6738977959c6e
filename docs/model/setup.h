// What is searched: a protocol, its actors, and the faults that may happen to them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ndb::explorer {

inline constexpr int kMaxWriters = 3;
inline constexpr int kReaders = 2;

enum class Variant : std::uint8_t {
  kCurrent,         // src/memcache as it is
  kBlindLock,       // a writer sets its LOCK without looking at what is there
  kDeleteRelease,   // a release deletes the record
  kNoMin,           // joining forgets the min, and a LOCK of others is left without it
  kSameToken,       // a writer keeps its token for all attempts to lock
  kNoEpochs,        // a CAS unique is sent whatever connection it came from
  kReleaseUnknown,  // a commit of unknown outcome releases the lock like a failed one
  kBestEffort,      // who can't lock commits all the same
  kLegacyPut,       // NDB of App Engine: all writers put()
  kLegacyDelete,    // the same, and the last writer is a delete()
};
inline constexpr std::array<std::string_view, 10> kVariantNames{
    "current",   "blind-lock",      "delete-release", "no-min",     "same-token",
    "no-epochs", "release-unknown", "best-effort",    "legacy-put", "legacy-delete"};

enum Fault : std::uint8_t {
  kCrash,    // a writer stops forever between two steps
  kLost,     // a command or its answer is lost, and the connection with it
  kDelay,    // the client gives a command up, and the server executes it at some later time
  kEvict,    // a LOCK disappears while it protects a writer
  kExpire,   // the same because time ran out: the server's, or by a clock far ahead with which a writer prunes the LOCK
  kUnknown,  // a commit without an answer: applied, applied later, or never
  kPart,     // from some step on a writer does not reach memcached any more
  kRestart,  // memcached restarts: empty, all connections closed, CAS uniques handed out again
  kRefused,  // a commit is refused; not a fault of anybody, and therefore not among the eight below
};
inline constexpr int kFaultKinds = 9;
inline constexpr int kRealFaults = 8;
inline constexpr std::array<std::string_view, kFaultKinds> kFaultNames{"crash", "lost", "delay",    "evict",  "expire",
                                                                       "unk",   "part", "casreuse", "refused"};

enum Property : std::uint8_t {
  kP1 = 1,  // no read returns a version older than one that was acknowledged before the read began
  kP2 = 2,  // when nothing is under way, memcached holds no stale value
  kP3 = 4,  // P1, and no read returns a version older than one that a completed read returned before it began
};

struct Setup {
  Variant variant = Variant::kCurrent;
  int writers = 2;
  int reads = 2;  // of each reader
  bool write_through = false;
  bool deletes = false;      // the last writer deletes the entity
  bool invalidator = false;  // somebody calls invalidate() once
  bool floors = false;       // a reader is one context, which remembers what it has read; else each read is a new one
  bool split = false;        // others may come between a store and the look at its result
  std::array<std::uint8_t, kFaultKinds> faults{};  // how often each may happen

  bool is_legacy() const { return variant == Variant::kLegacyPut || variant == Variant::kLegacyDelete; }
};

std::optional<Variant> variant_named(std::string_view name);
std::optional<Fault> fault_named(std::string_view name);
// "lost evict", or "none".
std::string faults_text(const Setup& setup);
// "P1 P3", or "-".
std::string properties_text(unsigned properties);

}  // namespace ndb::explorer
