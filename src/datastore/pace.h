// The deadline and the backoff of a call that takes several RPCs, one after another.
#pragma once

#include <chrono>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "datastore/stub.h"

namespace ndb::datastore {

// Where one answer leads to the next request (a query's batches, deferred keys), only this ends the sequence if the
// Datastore never does. A deadline bounds the call from begin() on, with all its RPCs and pauses. A call without a
// deadline may last as long as it makes progress, and ends 60 s after its last progress. Before an RPC that follows an
// answer without progress there is a pause, which grows. A value; not thread-safe.
class Pace {
 public:
  static constexpr std::chrono::milliseconds kDefaultDeadline = std::chrono::seconds(60);

  // `latest`: when the request that the call belongs to ends, whatever the options say.
  Pace(const CallOptions& options, Monotonic now, Monotonic latest = Monotonic::max())
      : options_(options), latest_(latest) {
    begin(now);
  }

  void begin(Monotonic now);       // the next step of the same call, with a whole deadline of its own
  void progressed(Monotonic now);  // the last answer made progress
  void stalled() { ++stalls_; }    // the last answer made none

  // The pause before the next RPC, and the options of that RPC, whose deadline is the time that the call has left.
  struct Next {
    std::chrono::microseconds pause;
    CallOptions options;
  };
  absl::StatusOr<Next> next(Monotonic now);  // DEADLINE_EXCEEDED if the pause would use up the time

 private:
  CallOptions options_;
  Monotonic latest_;
  Monotonic end_{};
  int rpcs_ = 0;    // since begin()
  int stalls_ = 0;  // how many of the last ones made no progress
};

}  // namespace ndb::datastore
