#include "state.h"

#include "base/strings.h"

namespace ndb::explorer {
namespace {

bool is_lock(const Cell& cell) { return cell.is(memcache::State::kLock); }

void orphan(Cell& cell, int writer) {
  if ((cell.holders & bit(writer)) == 0) return;
  clear(cell.holders, bit(writer) | bit(kProlonged + writer));
  set(cell.holders, bit(kOrphans));
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

bool keeps_stale(const Setup& setup, const State& state) {
  const bool serves = state.record.is(memcache::State::kValue) || state.record.is(memcache::State::kNeg);
  return serves && state.record.version < state.version && is_quiet(setup, state);
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
