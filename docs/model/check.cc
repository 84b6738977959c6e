#include "check.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/strings.h"

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
// read each it takes write-through to see that.
unsigned expected(const Setup& setup) {
  const bool loses_locks = setup.faults[kEvict] + setup.faults[kExpire] + setup.faults[kRestart] != 0;
  return loses_locks && (setup.write_through || setup.reads > 1) ? unsigned{kP3} : 0U;
}

// The protocol without a fault and with every single one. `slow`: what is left out.
void add_singles(std::vector<Case>& cases, const Setup& setup, std::initializer_list<Fault> slow = {}) {
  cases.push_back({setup, expected(setup)});
  for (int i = 0; i < kFaultKinds; ++i) {
    const auto fault = static_cast<Fault>(i);
    if (std::ranges::find(slow, fault) != slow.end()) continue;
    const Setup one = with(setup, {fault});
    cases.push_back({one, expected(one)});
  }
}

std::vector<Case> holding(int reads) {
  std::vector<Case> cases;
  const Setup through{.reads = reads, .write_through = true};
  const Setup once{.reads = 1, .write_through = true};
  if (reads > 1) add_singles(cases, through, {kDelay});
  add_singles(cases, once);
  add_singles(cases, {.reads = 1});
  add_singles(cases, {.reads = 1, .write_through = true, .deletes = true});
  cases.push_back({{.reads = reads, .write_through = true, .floors = true}, 0});
  if (reads == 1) return cases;
  add_singles(cases, {.reads = 1, .write_through = true, .split = true}, {kDelay});
  cases.push_back({{.reads = 1, .write_through = true, .invalidator = true}, 0});
  // A restart takes the LOCK and one round of the leave, the loss another one: the last round must not only look.
  cases.push_back({with(once, {kLost, kRestart}), kP3});
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
  return result.complete && result.violated == one.violated;
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
  std::puts(ok ? "As expected." : "NOT as expected.");
  return ok;
}

}  // namespace ndb::explorer
