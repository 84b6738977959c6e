#include "reduction.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <utility>

namespace ndb::explorer {
namespace {

bool is_fresh(const State& state, Actor who) { return (state.fresh & bit(who)) != 0; }

// A cas that will fail, whatever it was to store.
void forget_content(const State& state, Actor who, Command& command) {
  if (command.verb == Command::kCas && !is_fresh(state, who)) command = {.verb = Command::kCas};
}

// What the writer saw before its commit is what it will release; to have been in it is enough to send a cas that fails.
void forget_what_changed(State& state, int w) {
  Writer& me = state.writers[static_cast<std::size_t>(w)];
  forget_content(state, w, me.command);
  if (me.phase != Writer::kCommitting || is_fresh(state, w)) return;
  const Cell seen = me.command.cell;
  me.command.cell = {.kind = seen.kind, .holders = static_cast<Bits>(seen.holders & (bit(w) | bit(kProlonged + w)))};
}

void forget_what_changed(State& state, Actor who, Reader& me) {
  forget_content(state, who, me.command);
  if (me.phase != Reader::kLookup || is_fresh(state, who)) return;
  clear(me.flags, kLeased);
  me.version = 0;
}

// Versions that no read will be held against. Who has looked one up returns it, and none exceeded it then.
void forget_bounds(const Setup& setup, State& state) {
  bool reads_to_come = false;
  for (Reader& me : state.readers) {
    if (me.phase != Reader::kReading) me.round = me.acked = me.returned = 0;
    me.returned = std::max(me.acked, me.returned);
    const bool begun = me.phase != Reader::kReading || me.round != 0;
    reads_to_come = reads_to_come || me.reads + (begun ? 1 : 0) < setup.reads;
  }
  state.returned = reads_to_come ? std::max(state.acked, state.returned) : Byte{0};
  if (!reads_to_come) state.acked = 0;
}

// Faults that nobody is left for.
void forget_faults(State& state) {
  const auto spare = [&](std::initializer_list<Fault> faults) {
    for (const Fault fault : faults) state.faults[fault] = 0;
  };
  const auto is_before = [&](Writer::Phase phase) {
    return std::ranges::any_of(state.writers, [&](const Writer& writer) { return writer.phase < phase; });
  };
  if (!is_before(Writer::kReleasing)) spare({kUnknown, kRefused});
  if (is_before(Writer::kDone)) return;
  spare({kCrash, kPart});
  if (state.late_commits == 0) spare({kEvict, kExpire});
}

void forget(const Setup& setup, State& state) {
  // Without epochs, a cas whose unique is of before a restart may still fit; legacy readers wait for theirs.
  if (setup.variant != Variant::kNoEpochs && !setup.is_legacy()) {
    for (int w = 0; w < kMaxWriters; ++w) forget_what_changed(state, w);
    for (int r = 0; r < kReaders; ++r) {
      forget_what_changed(state, kFirstReader + r, state.readers[static_cast<std::size_t>(r)]);
    }
    forget_content(state, kInvalidator, state.invalidator.command);
  }
  forget_bounds(setup, state);
  forget_faults(state);
}

using Names = std::array<int, kMaxWriters>;  // writer i becomes names[i]

class Renaming {
 public:
  explicit Renaming(const Names& names) : names_(names) {
    for (unsigned bits = 0; bits < moved_.size(); ++bits) {
      for (int w = 0; w < kMaxWriters; ++w) {
        if ((bits & bit(w)) != 0) set(moved_[bits], bit(names[static_cast<std::size_t>(w)]));
      }
    }
  }

  State operator()(const State& state) const {
    State to = state;
    rename(to.record.holders, kProlonged);
    rename(to.late.cell.holders, kProlonged);
    rename(to.invalidator.command.cell.holders, kProlonged);
    for (std::size_t w = 0; w < kMaxWriters; ++w) {
      Writer& writer = to.writers[static_cast<std::size_t>(names_[w])];
      writer = state.writers[w];
      rename(writer.command.cell.holders, kProlonged);
    }
    rename(to.guards, kMaxWriters);
    rename(to.fresh);
    rename(to.late_commits);
    return to;
  }

 private:
  // The writers' bits; the first of them is bit 0.
  void rename(Bits& bits) const {
    bits = static_cast<Bits>((bits & ~kWriterBits) | moved_[static_cast<std::size_t>(bits & kWriterBits)]);
  }
  // And others of theirs from `second` on.
  void rename(Bits& bits, int second) const {
    rename(bits);
    const unsigned high = moved_[static_cast<std::size_t>((bits >> second) & kWriterBits)];
    bits = static_cast<Bits>((bits & ~(kWriterBits << second)) | high << second);
  }

  const Names names_;
  std::array<Bits, 1U << kMaxWriters> moved_{};
};

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
  std::uint16_t named;  // where its name stands
  auto operator<=>(const Signature&) const = default;
};

Signature signature(const State& state, int w) {
  Signature out{.self = state.writers[static_cast<std::size_t>(w)], .named = 0};
  const auto note = [&](Bits bits, int at) {
    out.named = static_cast<std::uint16_t>(out.named * 2 + ((bits & bit(at)) != 0 ? 1 : 0));
  };
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

// The least of the states that differ only in names. The writers' follow from the order of what they are; only among
// those of whom that says nothing does it take trying.
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
    const State other = Renaming(names)(sorted);
    if (!least || std::memcmp(&other, &*least, sizeof other) < 0) least = other;
  } while (std::next_permutation(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(alike)));
  return *least;
}

}  // namespace

State reduced(const Setup& setup, State state) {
  forget(setup, state);
  return canonical(setup, state);
}

std::uint64_t fingerprint(const State& state) { return XXH3_64bits(&state, sizeof state); }

}  // namespace ndb::explorer
