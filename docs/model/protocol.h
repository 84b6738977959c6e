// What actors do next: the part of the model that differs between protocols. Where commands go, what may happen to them
// and how everybody's steps interleave is the same for all of them (moves.h).
#pragma once

#include <memory>

#include "base/clock.h"
#include "memcache/protocol/transitions.h"
#include "state.h"

namespace ndb::explorer {

// Time stands still. The second one is that of a writer whose clock is far ahead: to it every deadline is over.
inline constexpr WallTime kNow{std::chrono::days(20'000)};
inline constexpr WallTime kFarAhead = kNow + std::chrono::seconds(2'000);

struct Answer {
  memcache::Seen::What what = memcache::Seen::kAbsent;  // kFailed, kAbsent, kRecord
  Cell cell{};
};

class Protocol {
 public:
  explicit Protocol(const Setup& setup) : setup_(setup) {}
  virtual ~Protocol() = default;

  // Gives everybody the first command.
  virtual void start(State& state) const = 0;
  // The answer to an actor's command has come (or has not): its next command or phase.
  virtual void writer_heard(State& state, int writer, const Answer& answer, WallTime now) const = 0;
  virtual void reader_heard(State& state, int reader, const Answer& answer) const = 0;
  virtual void invalidator_heard(State& state, const Answer& answer) const = 0;
  // The commit has ended, as the writer's version and flags say.
  virtual void committed(State& state, int writer, WallTime now) const = 0;
  // The Datastore has answered with its current version.
  virtual void looked_up(State& state, int reader) const = 0;
  // Whether a connection with these flags sends a unique that was got before.
  virtual bool may_send_unique(Bits) const { return true; }

 protected:
  // The end of a writer, told to its caller if it has a version, and of a read.
  static void finish(State& state, int writer);
  void finish_read(State& state, int reader, Byte version) const;

  const Setup setup_;
};

std::unique_ptr<Protocol> make_current(const Setup& setup);  // src/memcache, and what was weakened in it
std::unique_ptr<Protocol> make_legacy(const Setup& setup);
std::unique_ptr<Protocol> make_protocol(const Setup& setup);

}  // namespace ndb::explorer
