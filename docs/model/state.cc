#include "state.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace ndb::explorer {
namespace {

using Names = std::array<int, kMaxWriters>;  // writer i becomes names[i]

bool is_lock(const Cell& cell) { return cell.is(memcache::State::kLock); }

// The writers' bits, moved to their new names; `from` is the first of them.
Bits renamed(Bits bits, const Names& names, int from) {
  Bits to = bits;
  clear(to, static_cast<Bits>(kWriterBits << from));
  for (int w = 0; w < kMaxWriters; ++w) {
    if ((bits & bit(from + w)) != 0) set(to, bit(from + names[static_cast<std::size_t>(w)]));
  }
  return to;
}

void rename(Cell& cell, const Names& names) {
  cell.holders = renamed(renamed(cell.holders, names, 0), names, kProlonged);
}

State renamed(const State& state, const Names& names) {
  State to = state;
  rename(to.record, names);
  rename(to.late.cell, names);
  rename(to.invalidator.command.cell, names);
  for (std::size_t w = 0; w < kMaxWriters; ++w) {
    Writer& writer = to.writers[static_cast<std::size_t>(names[w])];
    writer = state.writers[w];
    rename(writer.command.cell, names);
  }
  to.guards = renamed(renamed(state.guards, names, 0), names, kMaxWriters);
  to.fresh = renamed(state.fresh, names, 0);
  to.late_commits = renamed(state.late_commits, names, 0);
  return to;
}

// Readers have no names in the others' states.
void sort_readers(State& state) {
  const auto fresh = [&](int r) { return (state.fresh & bit(kFirstReader + r)) != 0; };
  const auto order = std::pair(state.readers[1], fresh(1)) <=> std::pair(state.readers[0], fresh(0));
  if (order >= 0) return;
  std::swap(state.readers[0], state.readers[1]);
  if (fresh(0) == fresh(1)) return;
  state.fresh = static_cast<Bits>(state.fresh ^ (bit(kFirstReader) | bit(kFirstReader + 1)));
}

// What a writer is whatever its name, and whatever the others' are.
struct Signature {
  Writer self;
  std::array<bool, 12> named;  // where its name stands
  auto operator<=>(const Signature&) const = default;
};

Signature signature(const State& state, int w) {
  Signature out{.self = state.writers[static_cast<std::size_t>(w)], .named = {}};
  std::size_t place = 0;
  const auto note = [&](Bits bits, int at) { out.named[place++] = (bits & bit(at)) != 0; };
  for (const Bits holders : {state.record.holders, state.late.cell.holders, state.invalidator.command.cell.holders,
                             out.self.command.cell.holders}) {
    note(holders, w);
    note(holders, kProlonged + w);
  }
  note(state.guards, w);
  note(state.guards, kMaxWriters + w);
  note(state.fresh, w);
  note(state.late_commits, w);
  out.self.command.cell.holders = 0;
  return out;
}

void orphan(Cell& cell, int writer) {
  if ((cell.holders & bit(writer)) == 0) return;
  clear(cell.holders, bit(writer) | bit(kProlonged + writer));
  set(cell.holders, bit(kOrphans));
}

std::string holders_text(Bits holders) {
  std::string text;
  for (int w = 0; w < kMaxWriters; ++w) {
    if ((holders & bit(w)) == 0) continue;
    text += cat(text.empty() ? "" : ",", name_of(w), (holders & bit(kProlonged + w)) != 0 ? "+" : "");
  }
  if ((holders & bit(kOrphans)) != 0) text += text.empty() ? "?" : ",?";
  return text;
}

}  // namespace

Command& command_of(State& state, Actor actor) {
  if (actor == kLate) return state.late;
  if (actor == kInvalidator) return state.invalidator.command;
  if (actor >= kFirstReader) return state.readers[static_cast<std::size_t>(actor - kFirstReader)].command;
  return state.writers[static_cast<std::size_t>(actor)].command;
}

Bits& flags_of(State& state, Actor actor) {
  if (actor == kInvalidator) return state.invalidator.flags;
  if (actor >= kFirstReader) return state.readers[static_cast<std::size_t>(actor - kFirstReader)].flags;
  return state.writers[static_cast<std::size_t>(actor)].flags;
}

void give_up_token(State& state, int writer) {
  orphan(state.record, writer);
  orphan(state.late.cell, writer);
  orphan(state.invalidator.command.cell, writer);
  for (Writer& other : state.writers) orphan(other.command.cell, writer);
  clear(state.guards, bit(writer));
}

void retire(State& state, int writer) {
  give_up_token(state, writer);
  clear(state.fresh, bit(writer));
  state.writers[static_cast<std::size_t>(writer)] = {.phase = Writer::kDone};
}

bool is_quiet(const Setup& setup, const State& state) {
  if (state.late.verb != Command::kNone || state.late_commits != 0) return false;
  for (int w = 0; w < setup.writers; ++w) {
    const Writer& writer = state.writers[static_cast<std::size_t>(w)];
    const bool untouched = writer.phase == Writer::kLocking && writer.round == 0;
    if (!untouched && writer.phase != Writer::kDone) return false;
  }
  for (const Reader& reader : state.readers) {
    const bool between = reader.phase == Reader::kReading && reader.round == 0;
    if ((!between && reader.phase != Reader::kDone) || reader.fill.verb != Command::kNone) return false;
  }
  return !setup.invalidator || state.invalidator.round == 0 || state.invalidator.phase == Invalidator::kDone;
}

// The writers' names follow from the order of what they are; only among those of whom that says nothing does it take
// trying.
State canonical(const Setup& setup, const State& state) {
  const bool last_differs = setup.deletes || setup.variant == Variant::kLegacyDelete;
  const auto alike = static_cast<std::size_t>(setup.writers - (last_differs ? 1 : 0));
  std::array<Signature, kMaxWriters> signatures;
  for (std::size_t w = 0; w < alike; ++w) signatures[w] = signature(state, static_cast<int>(w));

  State sorted = state;
  sort_readers(sorted);
  Names names;
  std::iota(names.begin(), names.end(), 0);
  std::optional<State> least;
  do {
    std::array<const Signature*, kMaxWriters> in_order{};
    for (std::size_t w = 0; w < alike; ++w) in_order[static_cast<std::size_t>(names[w])] = &signatures[w];
    const auto end = in_order.begin() + static_cast<std::ptrdiff_t>(alike);
    if (!std::is_sorted(in_order.begin(), end, [](auto* a, auto* b) { return *a < *b; })) continue;
    const State other = renamed(sorted, names);
    if (!least || std::memcmp(&other, &*least, sizeof other) < 0) least = other;
  } while (std::next_permutation(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(alike)));
  return *least;
}

std::uint64_t fingerprint(const State& state) {
  constexpr std::size_t kWords = (sizeof(State) + 7) / 8;
  std::array<std::uint64_t, kWords> words{};
  std::memcpy(words.data(), &state, sizeof state);
  std::uint64_t hash = 0x9E3779B97F4A7C15U;
  for (const std::uint64_t word : words) {
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDU;
    hash = (hash ^ (hash >> 32U)) * 0xC4CEB9FE1A85EC53U;
    hash ^= hash >> 29U;
  }
  return hash != 0 ? hash : 1;
}

std::string text(const Cell& cell) {
  if (cell.is_absent()) return "ABSENT";
  if (is_lock(cell)) {
    return cat("LOCK{", holders_text(cell.holders), "} min ", int{cell.version},
               cell.contended != 0 ? " contended" : "");
  }
  if (cell.is(memcache::State::kEmpty)) return cat("EMPTY(", int{cell.version}, ")");
  return cat(cell.is(memcache::State::kNeg) ? "NEG(" : "VALUE(", int{cell.version}, ")");
}

std::string name_of(Actor actor) {
  if (actor == kInvalidator) return "I";
  return actor >= kFirstReader ? cat("R", actor - kFirstReader + 1) : cat("W", actor + 1);
}

}  // namespace ndb::explorer
