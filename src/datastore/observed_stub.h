// A decorator that counts RPCs.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "datastore/forwarding_stub.h"
#include "ndb/stats.h"

namespace ndb::datastore {

// The counters of one client. Thread-safe: counting takes no lock, and a reader sees each counter as it was at some
// time.
class RpcCounters {
 public:
  void ended(RpcMethod method, absl::StatusCode code, std::chrono::nanoseconds time);
  DatastoreStats stats() const;

 private:
  struct Cell {
    std::array<std::atomic<std::uint64_t>, RpcStats::kCodes> by_code{};
    std::atomic<std::uint64_t> nanoseconds = 0;
  };
  std::array<Cell, kRpcMethods> cells_{};
};

// Counts a call when it has ended, just before its `done`. `counters` may outlive the stub.
class ObservedStub final : public ForwardingStub {
 public:
  ObservedStub(std::unique_ptr<Stub> next, std::shared_ptr<RpcCounters> counters, const Clock& clock)
      : ForwardingStub(std::move(next)), counters_(std::move(counters)), clock_(clock) {}

#define NDB_OBSERVE(function, Name, idempotent)                                                                      \
  void function(wire::Name##Request request, const CallOptions& options, Done<wire::Name##Response> done) override { \
    ForwardingStub::function(std::move(request), options, counted(RpcMethod::k##Name, std::move(done)));             \
  }
  NDB_DATASTORE_RPCS(NDB_OBSERVE)
#undef NDB_OBSERVE

 private:
  template <class Response>
  Done<Response> counted(RpcMethod method, Done<Response> done) const {
    return [done = std::move(done), method, counters = counters_, &clock = clock_,
            began = clock_.monotonic()](absl::StatusOr<Response> response) {
      counters->ended(method, response.status().code(), clock.monotonic() - began);
      done(std::move(response));
    };
  }

  const std::shared_ptr<RpcCounters> counters_;
  const Clock& clock_;
};

}  // namespace ndb::datastore
