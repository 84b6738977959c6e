// The protocol of src/memcache. Every decision is made by the functions that the gateway calls; what is here turns
// bytes of a state into what they take, and what they return into bytes, and weakens them on demand.
#include <algorithm>
#include <utility>

#include "memcache/protocol/sequences.h"
#include "protocol.h"

namespace ndb::explorer {
namespace {

using memcache::CommitOutcome;
using memcache::Holder;
using memcache::LockAttempt;
using memcache::Reading;
using memcache::ReadOutcome;
using memcache::Record;
using memcache::Release;
using memcache::Seen;
using memcache::Step;
using std::chrono::seconds;

constexpr seconds kHold{60};
constexpr std::uint64_t kOrphanToken = 99;
constexpr std::uint64_t kInvalidatorToken = 77;
constexpr std::uint64_t kSomeToken = 55;
constexpr std::uint64_t token_of(int writer) { return static_cast<std::uint64_t>(writer) + 1; }
constexpr std::uint64_t next_token_of(int writer) { return token_of(writer) + 10; }

std::uint32_t hold_deadline() { return memcache::deadline_after(kNow, kHold); }
std::uint32_t unknown_deadline() { return memcache::deadline_after(kNow, memcache::kUnknownHold); }

Record to_record(const Cell& cell) {
  Record record{.state = static_cast<memcache::State>(cell.kind), .version = cell.version};
  if (cell.is(memcache::State::kEmpty)) record.token = cell.marked != 0 ? kInvalidatorToken : kSomeToken;
  if (cell.contended != 0) record.contended_until = memcache::deadline_after(kNow, memcache::kLongestLock);
  for (int w = 0; w < kMaxWriters; ++w) {
    if ((cell.holders & bit(w)) == 0) continue;
    const bool prolonged = (cell.holders & bit(kProlonged + w)) != 0;
    record.holders.push_back({token_of(w), prolonged ? unknown_deadline() : hold_deadline()});
  }
  if ((cell.holders & bit(kOrphans)) != 0) record.holders.push_back({kOrphanToken, hold_deadline()});
  return record;
}

constexpr int kNobody = -1;

// Whose bit a token has. `drew`: a writer that is now known by its next token, and whose last one is an orphan.
int bit_of(std::uint64_t token, int drew) {
  for (int w = 0; w < kMaxWriters; ++w) {
    if (token == (w == drew ? next_token_of(w) : token_of(w))) return w;
  }
  return kOrphans;
}

Cell to_cell(const Record& record, int drew) {
  Cell cell{.kind = static_cast<Byte>(record.state), .version = static_cast<Byte>(record.version)};
  cell.marked = record.state == memcache::State::kEmpty && record.token == kInvalidatorToken ? 1 : 0;
  cell.contended = record.contended_until != 0 ? 1 : 0;
  for (const Holder& holder : record.holders) {
    const int whose = bit_of(holder.token, drew);
    set(cell.holders, bit(whose));
    if (whose != kOrphans && holder.deadline >= unknown_deadline()) set(cell.holders, bit(kProlonged + whose));
  }
  return cell;
}

// Whatever is seen comes with a unique; whether it is still the record's is known to the server (`fresh`).
Seen to_seen(const Answer& answer) {
  if (answer.what != Seen::kRecord) return {.what = answer.what};
  return {.what = Seen::kRecord, .record = to_record(answer.cell), .unique = {.epoch = 1, .cas = 1}};
}

Command::Life life_of(const Step& step) {
  if (step.record.state != memcache::State::kLock || step.ttl < memcache::kUnknownHold) return Command::kHold;
  return step.ttl < memcache::kLongestLock ? Command::kUnknownHold : Command::kLongest;
}

Command to_command(const Step& step, int drew = kNobody) {
  switch (step.what) {
    case Step::kDone:
      return {};
    case Step::kRead:
      return {.verb = Command::kRead};
    case Step::kAdd:
      return {.verb = Command::kAdd, .life = life_of(step), .cell = to_cell(step.record, drew)};
    case Step::kCas:
      return {.verb = Command::kCas, .life = life_of(step), .cell = to_cell(step.record, drew)};
    case Step::kSet:
      return {.verb = Command::kSet, .life = life_of(step), .cell = to_cell(step.record, drew)};
  }
  return {};
}

class Current final : public Protocol {
 public:
  using Protocol::Protocol;

  void start(State& state) const override {
    for (int w = 0; w < setup_.writers; ++w) join(state, w, {}, 0, kNow);
    for (Reader& reader : state.readers) reader.command = {.verb = Command::kRead};
    if (setup_.invalidator) invalidate(state, {}, 0);
  }

  void writer_heard(State& state, int w, const Answer& answer, WallTime now) const override {
    const Writer& me = state.writers[static_cast<std::size_t>(w)];
    const int round = me.round + 1;
    if (me.phase == Writer::kLocking) {
      join(state, w, answer, round, now);
    } else {
      release(state, w, answer, round, now);
    }
  }

  void committed(State& state, int w, WallTime now) const override {
    Writer& me = state.writers[static_cast<std::size_t>(w)];
    const Cell seen = std::exchange(me.command, {}).cell;
    me.phase = Writer::kReleasing;
    release(state, w, {.what = seen.is_absent() ? Seen::kUnread : Seen::kRecord, .cell = seen}, 0, now);
  }

  void reader_heard(State& state, int r, const Answer& answer) const override {
    Reader& me = state.readers[static_cast<std::size_t>(r)];
    const Reading reading{.floor = me.floor};
    const Seen seen = to_seen(answer);
    const Step step = memcache::read_next(seen, reading, ++me.round, kNow);
    me.command = to_command(step);
    if (step.what == Step::kDone) done_reading(state, r, seen, reading);
    if (me.command.verb != Command::kCas && (me.flags & kLeased) == 0) clear(state.fresh, bit(kFirstReader + r));
  }

  void looked_up(State& state, int r) const override {
    Reader& me = state.readers[static_cast<std::size_t>(r)];
    if ((me.flags & kLeased) != 0) {
      const auto payload = state.exists != 0 ? std::optional<std::string_view>("") : std::nullopt;
      const auto step = memcache::fill_step(me.version, state.version, kNow, payload, seconds(0), kNow);
      if (step && may_send_unique(me.flags)) {
        me.fill = to_command(*step);
        me.fill.reused = (me.flags & kStale) != 0 ? 1 : 0;
        // One that comes too late already is over at once.
        if (me.fill.reused == 0 && (state.fresh & bit(kFirstReader + r)) == 0) me.fill = {};
      }
    }
    finish_read(state, r, state.version);
  }

  void invalidator_heard(State& state, const Answer& answer) const override {
    invalidate(state, to_seen(answer), state.invalidator.round + 1);
  }

  // What Connection asks before it sends a cas.
  bool may_send_unique(Bits flags) const override {
    constexpr std::uint64_t kEpoch = 2;
    const memcache::Unique unique{.epoch = (flags & kStale) != 0 ? kEpoch - 1 : kEpoch, .cas = 1};
    return setup_.variant == Variant::kNoEpochs || unique.is_good_in(kEpoch);
  }

 private:
  void done_reading(State& state, int r, const Seen& seen, const Reading& reading) const {
    Reader& me = state.readers[static_cast<std::size_t>(r)];
    const ReadOutcome outcome = memcache::outcome_of(seen, reading, kNow);
    if (outcome == ReadOutcome::kHit || outcome == ReadOutcome::kAbsent) {
      return finish_read(state, r, static_cast<Byte>(seen.record.version));
    }
    me.phase = Reader::kLookup;
    if (outcome != ReadOutcome::kMiss) return;
    if (const auto min = memcache::lease_min(seen, reading)) {
      set(me.flags, kLeased);
      me.version = static_cast<Byte>(*min);
    }
  }

  void join(State& state, int w, const Answer& answer, int round, WallTime now) const {
    Writer& me = state.writers[static_cast<std::size_t>(w)];
    const bool same_token = setup_.variant == Variant::kSameToken;
    LockAttempt joining{.me = {token_of(w), hold_deadline()}, .blind = (me.flags & kBlind) != 0};
    const Seen seen = round == 0 ? Seen{} : to_seen(answer);
    const Step step = join_step(joining, seen, round, now, same_token ? token_of(w) : next_token_of(w));
    clear(me.flags, kBlind);
    if (step.what == Step::kDone) return begin_commit(me, answer.cell);
    if (round == memcache::kWriteRounds) {
      clear(state.fresh, bit(w));
      return setup_.variant == Variant::kBestEffort ? begin_commit(me, {}) : finish(state, w);
    }
    if (!same_token) give_up_token(state, w);
    me.round = static_cast<Byte>(round);
    if (joining.blind) set(me.flags, kBlind);
    me.command = to_command(step, same_token ? kNobody : w);
    if (me.command.verb != Command::kCas) clear(state.fresh, bit(w));
  }

  Step join_step(LockAttempt& joining, const Seen& seen, int round, WallTime now, std::uint64_t token) const {
    if (setup_.variant == Variant::kBlindLock) {
      if (round > 0 && memcache::lock_step(seen, joining.me, now).what == Step::kDone) return {};
      const Holder me{token, memcache::deadline_after(now, kHold)};
      return {Step::kSet, {.state = memcache::State::kLock, .holders = {me}}, kHold};
    }
    Step step = joining.next(seen, round, kHold, now, [&] { return token; });
    if (setup_.variant == Variant::kNoMin) step.record.version = 0;
    return step;
  }

  static void begin_commit(Writer& me, const Cell& seen) {
    me.phase = Writer::kCommitting;
    me.round = 0;
    me.command = {.cell = seen};
  }

  void release(State& state, int w, const Answer& answer, int round, WallTime now) const {
    Writer& me = state.writers[static_cast<std::size_t>(w)];
    me.round = static_cast<Byte>(round);
    me.command = release_command(me, w, to_seen(answer), round, now);
    if (me.command.verb == Command::kNone || round == memcache::kReleaseRounds) return finish(state, w);
    if (me.command.verb != Command::kCas) clear(state.fresh, bit(w));
  }

  Command release_command(const Writer& me, int w, const Seen& seen, int round, WallTime now) const {
    const bool unknown = (me.flags & kUncertain) != 0 && setup_.variant != Variant::kReleaseUnknown;
    if (setup_.variant == Variant::kDeleteRelease && !unknown) {
      const bool try_again = round == 0 || seen.what == Seen::kFailed;
      return {.verb = try_again ? Command::kDelete : Command::kNone};
    }
    if (setup_.variant == Variant::kNoMin && seen.is(memcache::State::kLock) && !holds(seen.record, w)) return {};
    const CommitOutcome outcome = unknown           ? CommitOutcome::kUnknown
                                  : me.version != 0 ? CommitOutcome::kApplied
                                                    : CommitOutcome::kFailed;
    Release release{.token = token_of(w)};
    if (outcome == CommitOutcome::kApplied) {
      release.version = me.version;
      const bool deletes = setup_.deletes && w == setup_.writers - 1;
      if (setup_.write_through && !deletes) release.payload = "";
    }
    return to_command(memcache::release_next(seen, release, outcome, round, kNow, now));
  }

  static bool holds(const Record& lock, int w) {
    return std::ranges::find(lock.holders, token_of(w), &Holder::token) != lock.holders.end();
  }

  static void invalidate(State& state, const Seen& seen, int round) {
    Invalidator& me = state.invalidator;
    me.round = static_cast<Byte>(round);
    me.command = to_command(memcache::invalidate_next(seen, kInvalidatorToken, round, kNow));
    if (me.command.verb != Command::kCas) clear(state.fresh, bit(kInvalidator));
    if (me.command.verb == Command::kNone || round == memcache::kWriteRounds) {
      clear(state.fresh, bit(kInvalidator));
      me = {.phase = Invalidator::kDone};
    }
  }
};

}  // namespace

std::unique_ptr<Protocol> make_current(const Setup& setup) { return std::make_unique<Current>(setup); }

}  // namespace ndb::explorer
