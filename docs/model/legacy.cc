// NDB of App Engine. A writer sets a lock, commits, deletes the record, and ignores what memcached answers; delete()
// does nothing after the commit. A reader that finds nothing sets a lock of its own, whatever has come meanwhile, and
// fills by CAS.
#include "protocol.h"

namespace ndb::explorer {
namespace {

using memcache::Seen;
using enum memcache::State;

constexpr Cell kReadersLock{.kind = static_cast<Byte>(kLock), .holders = bit(kOrphans)};

class Legacy final : public Protocol {
 public:
  using Protocol::Protocol;

  void start(State& state) const override {
    for (int w = 0; w < setup_.writers; ++w) {
      const Cell lock{.kind = static_cast<Byte>(kLock), .holders = bit(w)};
      writer(state, w).command = {.verb = Command::kSet, .life = Command::kLongest, .cell = lock};
    }
    for (Reader& reader : state.readers) reader.command = {.verb = Command::kRead};
  }

  void writer_heard(State& state, int w, const Answer&, WallTime) const override {
    clear(state.fresh, bit(w));
    Writer& me = writer(state, w);
    if (me.phase == Writer::kReleasing) return finish(state, w);
    me.phase = Writer::kCommitting;
    me.command = {};
  }

  void committed(State& state, int w, WallTime) const override {
    Writer& me = writer(state, w);
    const bool deletes = setup_.variant == Variant::kLegacyDelete && w == setup_.writers - 1;
    if (deletes || (me.flags & kUncertain) != 0) return finish(state, w);
    me.phase = Writer::kReleasing;
    me.command = {.verb = Command::kDelete};
  }

  void reader_heard(State& state, int r, const Answer& answer) const override {
    Reader& me = reader(state, r);
    if (me.phase == Reader::kFilling) return finish_read(state, r, me.version);
    switch (me.round++) {
      case 0:
        if (answer.cell.is(kValue)) return finish_read(state, r, answer.cell.version);
        clear(state.fresh, bit(kFirstReader + r));
        if (answer.what == Seen::kAbsent) {
          me.command = {.verb = Command::kSet, .cell = kReadersLock};
        } else {
          look_up(me, false);
        }
        return;
      case 1:
        clear(state.fresh, bit(kFirstReader + r));
        me.command = {.verb = Command::kRead};
        return;
      default:
        look_up(me, true);
    }
  }

  void looked_up(State& state, int r) const override {
    Reader& me = reader(state, r);
    if ((me.flags & kLeased) == 0) return finish_read(state, r, state.version);
    me.phase = Reader::kFilling;
    me.version = state.version;
    me.command = {.verb = Command::kCas, .cell = {.kind = static_cast<Byte>(kValue), .version = state.version}};
  }

  void invalidator_heard(State&, const Answer&) const override {}

 private:
  static Writer& writer(State& state, int w) { return state.writers[static_cast<std::size_t>(w)]; }
  static Reader& reader(State& state, int r) { return state.readers[static_cast<std::size_t>(r)]; }
  static void look_up(Reader& me, bool leased) {
    me.phase = Reader::kLookup;
    me.command = {};
    if (leased) set(me.flags, kLeased);
  }
};

}  // namespace

std::unique_ptr<Protocol> make_legacy(const Setup& setup) { return std::make_unique<Legacy>(setup); }

}  // namespace ndb::explorer
