#include "moves.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"

namespace ndb::explorer {
namespace {

using memcache::Seen;

bool is_lock(const Cell& cell) { return cell.is(memcache::State::kLock); }
bool is_store(const Command& command) { return command.verb > Command::kRead; }

std::string text(const Command& command) {
  switch (static_cast<Command::Verb>(command.verb)) {
    case Command::kNone:
      return "nothing";
    case Command::kRead:
      return "gets";
    case Command::kAdd:
      return cat("add ", text(command.cell));
    case Command::kCas:
      return cat("cas ", text(command.cell));
    case Command::kSet:
      return cat("set ", text(command.cell));
    case Command::kDelete:
      return "delete";
  }
  return {};
}

// The writers whose lock must not go yet: their commits may still come, or (from kMaxWriters on) come late.
Bits in_danger(const State& state) {
  Bits bits = static_cast<Bits>(state.late_commits << kMaxWriters);
  for (int w = 0; w < kMaxWriters; ++w) {
    const Writer& writer = state.writers[static_cast<std::size_t>(w)];
    const bool releasing_unknown = writer.phase == Writer::kReleasing && (writer.flags & kUncertain) != 0;
    if (writer.phase == Writer::kLocking || writer.phase == Writer::kCommitting || releasing_unknown) set(bits, bit(w));
  }
  return bits;
}

// For whom the time that a LOCK is stored for is long enough. The longest covers whoever relies on a LOCK by now, in it
// or not; a shorter one only its holder.
Bits guards_of(const State& state, const Command& command) {
  const bool longest = command.life == Command::kLongest;
  Bits covered = command.cell.holders & kWriterBits;
  for (int w = 0; longest && w < kMaxWriters; ++w) {
    const Writer& writer = state.writers[static_cast<std::size_t>(w)];
    const bool sent_blindly = (writer.flags & kBlind) != 0 && writer.command.verb == Command::kRead;
    if (writer.phase != Writer::kLocking || sent_blindly) set(covered, bit(w));
  }
  Bits late = command.life == Command::kHold ? Bits{0} : state.late_commits;
  if (!longest) late &= covered;
  return static_cast<Bits>(covered | late << kMaxWriters) & in_danger(state);
}

// The record is another one, or gone. A cas that was sent and is not waited for comes too late, whenever it comes.
void wipe(State& state) {
  state.record = {};
  state.guards = state.fresh = 0;
  if (state.late.verb == Command::kCas) state.late = {};
  for (Reader& reader : state.readers) {
    if (reader.fill.verb == Command::kCas && reader.fill.reused == 0) reader.fill = {};
  }
}

// What the server does with a command. `reused`: its unique happens to be that of the record.
bool execute(State& state, Actor who, const Command& command, bool reused = false) {
  if (!is_store(command)) return false;
  if (command.verb == Command::kAdd && !state.record.is_absent()) return false;
  if (command.verb == Command::kCas) {
    const bool fits = (state.fresh & bit(who)) != 0 || reused;
    if (!fits || state.record.is_absent()) return false;
  }
  wipe(state);
  if (command.verb == Command::kDelete) return true;
  state.record = command.cell;
  if (is_lock(command.cell)) state.guards = guards_of(state, command);
  return true;
}

Answer look(State& state, Actor who) {
  clear(state.fresh, bit(who));
  if (state.record.is_absent()) return {.what = Seen::kAbsent};
  set(state.fresh, bit(who));
  return {.what = Seen::kRecord, .cell = state.record};
}

class Moves {
 public:
  Moves(const Setup& setup, const Protocol& protocol, const State& from, Found found)
      : setup_(setup), protocol_(protocol), from_(from), found_(found) {}

  void all() {
    for (int w = 0; w < setup_.writers; ++w) writer(w);
    for (int r = 0; r < kReaders; ++r) reader(r);
    if (setup_.invalidator && from_.invalidator.phase != Invalidator::kDone) exchange(kInvalidator);
    time();
    memcached();
    late();
  }

 private:
  bool may(Fault fault) const { return from_.faults[fault] != 0; }
  State after(Fault fault) const {
    State state = from_;
    --state.faults[fault];
    return state;
  }

  void writer(int w) {
    const Writer& me = from_.writers[static_cast<std::size_t>(w)];
    if (me.phase == Writer::kDone) return;
    me.phase == Writer::kCommitting ? commit(w) : exchange(w);
    const bool begun = me.phase != Writer::kLocking || me.round != 0 || me.command.verb == Command::kRead;
    if (begun && may(kCrash)) {
      State to = after(kCrash);
      retire(to, w);
      found_(to, [&] { return cat(name_of(w), " DIES"); });
    }
  }

  void commit(int w) {
    {
      State to = from_;
      Writer& me = to.writers[static_cast<std::size_t>(w)];
      apply(to, w);
      me.version = to.version;
      if ((me.flags & kTainted) != 0) set(me.flags, kUncertain);
      ended(to, w, "applied");
    }
    if (may(kRefused)) {
      State to = after(kRefused);
      Writer& me = to.writers[static_cast<std::size_t>(w)];
      if ((me.flags & kTainted) != 0) set(me.flags, kUncertain);
      ended(to, w, "REFUSED");
    }
    if (!may(kUnknown)) return;
    State to = after(kUnknown);
    unanswered(to, w, "never applied");
    State late = to;
    set(late.late_commits, bit(w));
    unanswered(late, w, "still to come");
    apply(to, w);
    unanswered(to, w, "applied");
  }

  void apply(State& state, int w) const {
    ++state.version;
    state.exists = setup_.deletes && w == setup_.writers - 1 ? 0 : 1;
  }

  // The writer releases, or sends its commit again.
  void unanswered(State to, int w, std::string_view fate) {
    Bits& flags = flags_of(to, w);
    if ((flags & kTainted) == 0 && !setup_.is_legacy()) {
      State again = to;
      set(flags_of(again, w), kTainted);
      found_(again, [&] { return cat(name_of(w), " commit: NO ANSWER, ", fate, "; sends it again"); });
    }
    set(flags, kUncertain);
    ended(to, w, cat("NO ANSWER, ", fate));
  }

  void ended(const State& state, int w, std::string_view how) {
    const auto go = [&](State to, WallTime now, std::string_view clock) {
      if ((flags_of(to, w) & kUncertain) == 0) clear(to.guards, bit(w));
      protocol_.committed(to, w, now);
      found_(to, [&] { return cat(name_of(w), " commit: ", how, ", now v", int{to.version}, clock, ending(w, to)); });
    };
    go(state, kNow, "");
    if (state.faults[kExpire] == 0) return;
    State skewed = state;
    --skewed.faults[kExpire];
    go(skewed, kFarAhead, "; CLOCK FAR AHEAD");
  }

  void reader(int r) {
    const Reader& me = from_.readers[static_cast<std::size_t>(r)];
    const Actor who = kFirstReader + r;
    if (me.fill.verb != Command::kNone) return fill(r);  // commands on one connection are executed in order
    if (me.phase == Reader::kDone) return;
    if (me.phase != Reader::kLookup) return exchange(who);
    State to = from_;
    protocol_.looked_up(to, r);
    found_(to, [&] {
      const Command& sent = to.readers[static_cast<std::size_t>(r)].fill;
      return cat(name_of(who), " lookup -> v", int{to.version}, ending(who, to),
                 sent.verb != Command::kNone ? cat("; sends ", text(sent)) : "");
    });
  }

  void fill(int r) {
    const Actor who = kFirstReader + r;
    const auto without = [&](State to) {
      Reader& me = to.readers[static_cast<std::size_t>(r)];
      me.fill = {};
      clear(to.fresh, bit(who));
      return to;
    };
    const Command& command = from_.readers[static_cast<std::size_t>(r)].fill;
    for (const bool reused : {false, true}) {
      if (reused && command.reused == 0) continue;
      State to = from_;
      const bool stored = execute(to, who, command, reused);
      found_(without(to),
             [&] { return cat(name_of(who), "'s ", text(command), stored ? " is stored" : " comes too late"); });
    }
    const bool on = from_.readers[static_cast<std::size_t>(r)].phase != Reader::kDone;
    if (may(kLost)) {
      State to = without(after(kLost));
      if (on) set(flags_of(to, who), kStale);
      found_(to, [&] { return cat(name_of(who), "'s ", text(command), " IS LOST"); });
    }
    if (may(kDelay) && from_.late.verb == Command::kNone) {
      State to = after(kDelay);
      queue(to, who, command);
      to = without(to);
      if (on) set(flags_of(to, who), kStale);
      found_(to, [&] { return cat(name_of(who), "'s ", text(command), " IS DELAYED"); });
    }
  }

  // One command and its answer.
  void exchange(Actor who) {
    State start = from_;
    begin_read(start, who);
    Command command = command_of(start, who);
    Bits& flags = flags_of(start, who);
    if ((flags & kParted) != 0) return unheard(start, who, command, "no link");
    if ((flags & kStale) != 0) {
      const bool sent = command.verb != Command::kCas || protocol_.may_send_unique(flags);
      clear(flags, kStale);
      unheard(start, who, command, "the connection is closed");
      if (!sent) command = {.verb = Command::kRead};
      if (sent && command.verb == Command::kCas) carried_out(start, who, command, true);
    }
    carried_out(start, who, command, false);
    if (may(kPart) && who < kFirstReader) {
      State to = start;
      --to.faults[kPart];
      set(flags_of(to, who), kParted);
      unheard(to, who, command, "LOSES ITS LINK to memcached");
    }
    if (may(kLost)) lose(start, who, command);
    if (may(kDelay) && start.late.verb == Command::kNone) {
      --start.faults[kDelay];
      queue(start, who, command);
      const bool queued = start.late.verb != Command::kNone;
      unheard(start, who, command, queued ? "TIMED OUT, still queued" : "TIMED OUT");
    }
  }

  // With its first command the read begins.
  static void begin_read(State& state, Actor who) {
    if (who < kFirstReader || who == kInvalidator) return;
    Reader& me = state.readers[static_cast<std::size_t>(who - kFirstReader)];
    if (me.phase != Reader::kReading || me.round != 0) return;
    me.acked = state.acked;
    me.returned = state.returned;
  }

  void carried_out(State to, Actor who, const Command& command, bool reused) {
    const bool stored = execute(to, who, command, reused);
    const std::string_view result = !is_store(command) ? ""
                                    : stored           ? (reused ? ": stored, UNIQUE REUSED" : "")
                                                       : ": not stored";
    if (setup_.split && is_store(command)) {
      command_of(to, who) = {.verb = Command::kRead};
      return found_(to, [&] { return cat(name_of(who), " ", text(command), result); });
    }
    const Answer answer = look(to, who);
    heard(to, who, answer,
          [&] { return cat(text(command), result, is_store(command) ? "; gets " : " ", text(answer.cell)); });
  }

  void lose(State start, Actor who, const Command& command) {
    --start.faults[kLost];
    unheard(start, who, command, "LOST");
    if (!is_store(command)) return;
    execute(start, who, command);
    unheard(start, who, command, "stored, ANSWER LOST");
  }

  // What would change something when the server comes to it.
  static void queue(State& state, Actor who, const Command& command) {
    const bool fresh = (state.fresh & bit(who)) != 0;
    if (!is_store(command) || (command.verb == Command::kCas && !fresh)) return;
    state.late = command;
    command.verb == Command::kCas ? set(state.fresh, bit(kLate)) : clear(state.fresh, bit(kLate));
  }

  void unheard(State to, Actor who, const Command& command, std::string_view why) {
    clear(to.fresh, bit(who));
    heard(to, who, {.what = Seen::kFailed}, [&] { return cat(text(command), ": ", why); });
  }

  using Words = absl::FunctionRef<std::string()>;

  void heard(const State& state, Actor who, const Answer& answer, Words words) {
    State to = state;
    tell(to, who, answer, kNow);
    found_(to, [&] { return cat(name_of(who), " ", words(), ending(who, to)); });
    if (who >= kFirstReader || state.faults[kExpire] == 0 || !is_lock(answer.cell)) return;
    State skewed = state;
    tell(skewed, who, answer, kFarAhead);
    if (skewed == to) return;
    --skewed.faults[kExpire];
    found_(skewed, [&] { return cat(name_of(who), " ", words(), "; CLOCK FAR AHEAD", ending(who, skewed)); });
  }

  void tell(State& state, Actor who, const Answer& answer, WallTime now) const {
    if (who == kInvalidator) return protocol_.invalidator_heard(state, answer);
    if (who >= kFirstReader) return protocol_.reader_heard(state, who - kFirstReader, answer);
    protocol_.writer_heard(state, who, answer, now);
  }

  // What a step means to its actor, for the reader of a counterexample.
  std::string ending(Actor who, const State& to) const {
    if (who == kInvalidator) return "";
    if (who >= kFirstReader) {
      const auto r = static_cast<std::size_t>(who - kFirstReader);
      return to.readers[r].reads != from_.readers[r].reads ? "; returns it" : "";
    }
    const Writer& before = from_.writers[static_cast<std::size_t>(who)];
    const Writer& now = to.writers[static_cast<std::size_t>(who)];
    if (now.phase == before.phase) return "";
    if (now.phase == Writer::kCommitting) return "; may commit";
    if (now.phase == Writer::kReleasing) return cat("; will ", text(now.command));
    const bool acknowledges = before.version != 0 || (before.phase == Writer::kCommitting && to.acked == to.version);
    return acknowledges ? "; acknowledges" : "; ends without success";
  }

  // Everything but a LOCK that is needed may go at any moment.
  void time() {
    if (from_.record.is_absent()) return;
    const auto gone = [&](State to, std::string_view why) {
      wipe(to);
      found_(to, [&] { return cat("(", text(from_.record), " ", why, ")"); });
    };
    if (!is_lock(from_.record) || (from_.guards & in_danger(from_)) == 0) return gone(from_, "goes");
    if (may(kEvict)) gone(after(kEvict), "IS EVICTED");
    if (may(kExpire)) gone(after(kExpire), "EXPIRES TOO SOON");
  }

  void memcached() {
    if (!may(kRestart)) return;
    State to = after(kRestart);
    wipe(to);
    to.late = {};
    for (Writer& writer : to.writers) {
      if (writer.phase != Writer::kDone) set(writer.flags, kStale);
    }
    for (Reader& reader : to.readers) {
      reader.fill = {};
      if (reader.phase != Reader::kDone) set(reader.flags, kStale);
    }
    if (setup_.invalidator && to.invalidator.phase != Invalidator::kDone) set(to.invalidator.flags, kStale);
    found_(to, [&] { return std::string("MEMCACHED RESTARTS"); });
  }

  void late() {
    for (int w = 0; w < setup_.writers; ++w) {
      if ((from_.late_commits & bit(w)) == 0) continue;
      State to = from_;
      clear(to.late_commits, bit(w));
      clear(to.guards, bit(kMaxWriters + w));
      found_(to, [&] { return cat("(", name_of(w), "'s late commit is dropped)"); });
      apply(to, w);
      found_(to, [&] { return cat("LATE COMMIT of ", name_of(w), ": v", int{to.version}); });
    }
    if (from_.late.verb == Command::kNone) return;
    State to = from_;
    const bool stored = execute(to, kLate, from_.late);
    to.late = {};
    clear(to.fresh, bit(kLate));
    found_(to, [&] { return cat("DELAYED COMMAND executes: ", text(from_.late), stored ? "" : ": not stored"); });
  }

  const Setup& setup_;
  const Protocol& protocol_;
  const State& from_;
  Found found_;
};

}  // namespace

std::vector<State> initial_states(const Setup& setup, const Protocol& protocol) {
  State nothing;
  nothing.faults = setup.faults;
  for (int w = setup.writers; w < kMaxWriters; ++w) nothing.writers[static_cast<std::size_t>(w)].phase = Writer::kDone;
  protocol.start(nothing);
  State cached = nothing;
  cached.record = {.kind = static_cast<Byte>(memcache::State::kValue), .version = nothing.version};
  return {nothing, cached};
}

void successors(const Setup& setup, const Protocol& protocol, const State& from, Found found) {
  Moves(setup, protocol, from, found).all();
}

}  // namespace ndb::explorer
