// The bound and the backoff of a call that takes several RPCs, one after another.
#pragma once

#include <chrono>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "datastore/stub.h"

namespace ndb::datastore {

// Where one answer leads to the next request (a query's batches, deferred keys) nothing but this ends the sequence if
// the Datastore never does. A deadline bounds the call from begin() on, with all its RPCs and pauses. Without one it
// may last as long as it makes progress, and ends 60 s after it last did. Before each RPC that follows one without
// progress it pauses, longer and longer. A value; not thread-safe.
class Pace {
 public:
  static constexpr std::chrono::milliseconds kDefaultDeadline = std::chrono::seconds(60);

  Pace(const CallOptions& options, Monotonic now) : options_(options) { begin(now); }

  void begin(Monotonic now);       // a further step of the same call, with the whole deadline to itself
  void progressed(Monotonic now);  // the last answer brought the call further
  void stalled() { ++stalls_; }    // it did not

  // What to do before the next RPC, and its options, whose deadline is the time that is left for the call.
  struct Next {
    std::chrono::microseconds pause;
    CallOptions options;
  };
  absl::StatusOr<Next> next(Monotonic now);  // DEADLINE_EXCEEDED if the pause would use up the time

 private:
  CallOptions options_;
  Monotonic end_{};
  int rpcs_ = 0;    // since begin()
  int stalls_ = 0;  // the last so many of them brought nothing
};

}  // namespace ndb::datastore
