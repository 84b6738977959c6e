// The stub client: one function per RPC of google.datastore.v1.Datastore, over gRPC with lean messages
// (proto/ndb/wire).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/backoff.h"
#include "datastore/channel.h"
#include "ndb/wire/datastore.pb.h"
#include "observe/tracer.h"

namespace ndb::datastore {

struct CallOptions {
  std::optional<std::chrono::milliseconds> deadline{};  // of the whole call with its retries; default 60 s
  std::optional<int> retries{};                         // after the first attempt; default: until the deadline
  std::stop_token stop{};                               // cancels the call, on the wire too: it ends with CANCELLED
};

template <class Response>
using Done = std::function<void(absl::StatusOr<Response>)>;

// All RPCs: function, method, and whether a call is idempotent and so is retried by default. (BeginTransaction and
// AllocateIds are, because an unused transaction expires and an unused id is lost.) Everything that exists once per RPC
// is generated from this list.
#define NDB_DATASTORE_RPCS(X)                         \
  X(lookup, Lookup, true)                             \
  X(run_query, RunQuery, true)                        \
  X(run_aggregation_query, RunAggregationQuery, true) \
  X(begin_transaction, BeginTransaction, true)        \
  X(commit, Commit, false)                            \
  X(rollback, Rollback, false)                        \
  X(allocate_ids, AllocateIds, true)                  \
  X(reserve_ids, ReserveIds, true)

// Sends requests to the Datastore. Thread-safe; one per client. Every function, such as
//   void lookup(wire::LookupRequest request, const CallOptions& options, Done<wire::LookupResponse> done);
// returns at once; `done` runs exactly once, on a thread of gRPC's or on the caller's, and must neither block nor
// throw. The stub sets project_id of requests; the caller sets database_id. Idempotent RPCs are retried after
// UNAVAILABLE and DEADLINE_EXCEEDED with jittered exponential backoff (0.1 s to 60 s, x1.3: the API's service config);
// the others only as often as `retries` says. An error has the server's code, and a message that begins with the name
// of the RPC; if the server did not answer, the message has its address. Decorators implement this interface by
// ForwardingStub.
class Stub {
 public:
  virtual ~Stub() = default;
#define NDB_DECLARE(function, Name, idempotent) \
  virtual void function(wire::Name##Request request, const CallOptions& options, Done<wire::Name##Response> done) = 0;
  NDB_DATASTORE_RPCS(NDB_DECLARE)
#undef NDB_DECLARE
};

struct StubConfig {
  std::string project{};
  Channels channels{};                        // from make_channels(); each attempt takes the next one
  Backoff backoff{};                          // between attempts; the defaults are those of the API's service config
  std::shared_ptr<observe::Tracer> tracer{};  // of RPCs and their attempts; null: none
};

// Makes the stub over gRPC. Its destructor cancels the calls in flight and returns when every `done` has returned. If
// it runs inside a `done` (which must not block), it does not wait for the cancelled calls.
std::unique_ptr<Stub> make_stub(StubConfig config);

// Whether a Commit that ended with `status` may or may not have been applied (or may still be): UNAVAILABLE,
// DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL, and any error of a resend after an attempt that ended with one of
// these. All other errors are known failures: nothing was written.
bool outcome_unknown(const absl::Status& status);

}  // namespace ndb::datastore
