#include "check.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "comparison.h"

namespace ndb::explorer {
namespace {

constexpr std::size_t kMostStates = 50'000'000;

struct Case {
  Setup setup{};
  unsigned violated = 0;
  bool at_least = false;  // violations are looked for until those are found; else all states are visited
};

Setup with(Setup setup, std::initializer_list<Fault> faults) {
  for (const Fault fault : faults) ++setup.faults[fault];
  return setup;
}

// P3 needs the LOCK: who has lost it shows a new version to some while others are still served the old one. With one
// read each it takes write-through to see that. P2 and P1 break if, besides, nobody is left to tell the record: the
// writer is gone or cut off, or its commit comes after its lock. README.md says how.
unsigned expected(const Setup& setup) {
  const auto may = [&](Fault fault) { return setup.faults[fault] != 0; };
  const bool loses_locks = may(kEvict) || may(kExpire) || may(kRestart);
  const bool outdated = setup.write_through && may(kExpire) && may(kUnknown);
  const bool cut_off = loses_locks && may(kPart);
  const bool left_alone =
      (loses_locks && (may(kCrash) || may(kUnknown))) || (may(kUnknown) && (may(kCrash) || may(kPart)));
  unsigned properties = 0;
  if (cut_off || outdated) properties |= kP1;
  if (cut_off || left_alone) properties |= kP2;
  if (properties != 0 || (loses_locks && (setup.write_through || setup.reads > 1))) properties |= kP3;
  return properties;
}

// The protocol without a fault and with every single one.
void add_singles(std::vector<Case>& cases, const Setup& setup) {
  cases.push_back({setup, expected(setup)});
  for (int i = 0; i < kFaultKinds; ++i) {
    const Setup one = with(setup, {static_cast<Fault>(i)});
    cases.push_back({one, expected(one)});
  }
}

void add_pairs(std::vector<Case>& cases, const Setup& setup) {
  for (int i = 0; i < kRealFaults; ++i) {
    for (int j = i; j < kRealFaults; ++j) {
      const Setup two = with(setup, {static_cast<Fault>(i), static_cast<Fault>(j)});
      cases.push_back({two, expected(two)});
    }
  }
}

std::vector<Case> holding(int reads) {
  std::vector<Case> cases;
  const Setup through{.reads = reads, .write_through = true};
  add_singles(cases, through);
  add_singles(cases, {.reads = reads});
  add_singles(cases, {.reads = reads, .write_through = true, .deletes = true});
  add_singles(cases, {.reads = reads, .write_through = true, .floors = true});
  add_singles(cases, {.reads = 1, .write_through = true, .split = true});
  add_singles(cases, {.reads = 1, .write_through = true, .invalidator = true});
  if (reads == 1) return cases;
  add_pairs(cases, through);
  add_singles(cases, {.writers = 3, .reads = reads, .write_through = true});
  // Of the pairs with 3 writers, those in which they found what 2 had not.
  for (const Fault fault : {kExpire, kRestart}) {
    const Setup two = with({.writers = 3, .reads = 1, .write_through = true}, {kLost, fault});
    cases.push_back({two, expected(two)});
  }
  return cases;
}

// What must be found: the violations of weaker protocols, and the one that is left in ours.
std::vector<Case> controls() {
  const auto of = [](Variant variant, bool write_through = true) {
    return Setup{.variant = variant, .reads = 1, .write_through = write_through};
  };
  const auto legacy = [](Variant variant) { return Setup{.variant = variant}; };
  return {
      {legacy(Variant::kLegacyDelete), kP1, true},
      {legacy(Variant::kLegacyPut), kP3, true},
      {with(legacy(Variant::kLegacyPut), {kLost}), kP1, true},
      {with(legacy(Variant::kLegacyPut), {kCrash}), kP2, true},
      {of(Variant::kBlindLock), kP3, true},
      {with(of(Variant::kBlindLock), {kCrash}), kP2, true},
      {with(of(Variant::kBlindLock), {kPart}), kP1, true},
      {with(of(Variant::kDeleteRelease), {kCrash}), kP2, true},
      {with(of(Variant::kDeleteRelease), {kPart}), kP1, true},
      {with(of(Variant::kNoMin), {kEvict}), kP1, true},
      {with(of(Variant::kReleaseUnknown), {kUnknown}), kP2, true},
      {with(of(Variant::kBestEffort), {kPart}), kP1, true},
      {with(of(Variant::kNoEpochs), {kRestart}), kP1, true},
      {with(of(Variant::kNoEpochs, false), {kRestart}), kP1, true},
      {with(of(Variant::kSameToken), {kDelay, kEvict}), kP1, true},
      {with(of(Variant::kCurrent), {kEvict, kPart}), kP1, true},
      {with(of(Variant::kCurrent), {kCrash, kEvict}), kP2, true},
  };
}

bool is_as_expected(const Case& one, const Result& result) {
  if (one.at_least) return (result.violated & one.violated) == one.violated;
  const bool found_all = result.violated == (kP1 | kP2 | kP3);  // which ends the search
  return result.violated == one.violated && (result.complete || found_all);
}

bool holds(const Case& one) {
  const unsigned until = one.at_least ? one.violated : unsigned{kP1 | kP2 | kP3};
  const Result result = search(one.setup, until, kMostStates);
  const bool ok = is_as_expected(one, result);
  std::puts(cat(row(one.setup, result), ok ? "" : cat("  EXPECTED ", properties_text(one.violated))).c_str());
  if (!ok) {
    for (const auto& [property, steps] : result.counterexamples) {
      std::printf("  %s:\n", properties_text(property).c_str());
      for (const std::string& step : steps) std::printf("    %s\n", step.c_str());
    }
  }
  std::fflush(stdout);
  return ok;
}

// Whether the reduced states stand for all others.
bool reduction_holds(const Setup& setup) {
  const Comparison result = compare(setup, kMostStates);
  std::puts(cat("reduction: ", faults_text(setup), ", ", result.states, " states").c_str());
  if (!result.complete) std::puts(cat("  DIFFERENT:\n", result.difference).c_str());
  std::fflush(stdout);
  return result.complete;
}

std::string padded(std::string text, std::size_t width, bool right = false) {
  if (text.size() < width) text.insert(right ? 0 : text.size(), width - text.size(), ' ');
  return text;
}

std::string options_text(const Setup& setup) {
  return cat(setup.deletes ? " delete" : "", setup.floors ? " floors" : "", setup.split ? " split" : "",
             setup.invalidator ? " invalidate" : "");
}

}  // namespace

std::string row(const Setup& setup, const Result& result) {
  const auto hundredths = static_cast<std::int64_t>(result.seconds * 100);
  const std::string fraction = std::to_string(100 + hundredths % 100).substr(1);
  const std::string_view release = setup.is_legacy() ? "delete" : setup.write_through ? "VALUE" : "EMPTY";
  return cat(padded(std::string(kVariantNames[static_cast<std::size_t>(setup.variant)]), 17),
             padded(std::string(release), 9), padded(cat(setup.writers), 8), padded(cat(setup.reads), 6),
             padded(faults_text(setup) + options_text(setup), 18), padded(properties_text(result.violated), 8),
             padded(cat(result.states), 11, true), padded(cat(result.steps), 11, true),
             padded(cat(result.depth), 6, true), padded(cat(hundredths / 100, ".", fraction), 9, true),
             result.complete ? "" : "  (ended early)");
}

bool check(int reads) {
  std::puts(kHeading);
  bool ok = true;
  for (const Case& one : holding(reads)) ok = holds(one) && ok;
  std::puts("What must be found:");
  for (const Case& one : controls()) ok = holds(one) && ok;
  std::vector<Case> unreduced;
  const Setup small{.reads = 1, .write_through = true};
  reads > 1 ? add_singles(unreduced, small) : unreduced.push_back({small});
  for (const Case& one : unreduced) ok = reduction_holds(one.setup) && ok;
  std::puts(ok ? "As expected." : "NOT as expected.");
  return ok;
}

}  // namespace ndb::explorer
