#include "protocol.h"

#include <algorithm>

namespace ndb::explorer {

void Protocol::finish(State& state, int writer) {
  state.acked = std::max(state.acked, state.writers[static_cast<std::size_t>(writer)].version);
  retire(state, writer);
}

void Protocol::finish_read(State& state, int reader, Byte version) const {
  Reader& me = state.readers[static_cast<std::size_t>(reader)];
  if (version < me.acked) state.violated |= kP1;
  if (version < std::max(me.acked, me.returned)) state.violated |= kP3;
  state.returned = std::max(state.returned, version);
  if (me.fill.verb == Command::kNone) clear(state.fresh, bit(kFirstReader + reader));
  const Byte reads = static_cast<Byte>(me.reads + 1);
  const bool last = reads == setup_.reads;
  me = {.phase = last ? Reader::kDone : Reader::kReading,
        .reads = reads,
        .flags = static_cast<Bits>(last ? 0 : me.flags & kStale),
        .floor = setup_.floors && !last ? std::max(me.floor, version) : Byte{0},
        .command = {.verb = last ? Command::kNone : Command::kRead},
        .fill = me.fill};
}

std::unique_ptr<Protocol> make_protocol(const Setup& setup) {
  return setup.is_legacy() ? make_legacy(setup) : make_current(setup);
}

}  // namespace ndb::explorer
