// The stub client: one function per RPC of google.datastore.v1.Datastore, over gRPC with lean messages
// (proto/ndb/wire).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/backoff.h"
#include "datastore/channel.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::datastore {

struct CallOptions {
  std::optional<std::chrono::milliseconds> deadline{};  // of the whole call with its retries; default 60 s
  std::optional<int> retries{};                         // after the first attempt; default: until the deadline
};

template <class Response>
using Done = std::function<void(absl::StatusOr<Response>)>;

// All RPCs: function, method, and whether a call may be sent again by itself, because it does no harm when it is sent
// twice: a transaction that nobody uses expires, and an id that nobody uses is lost. What stands for every RPC is made
// from this list.
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
// throw. project_id and database_id of a request are filled in from the stub's own. RPCs that may be sent again by
// themselves are retried after UNAVAILABLE and DEADLINE_EXCEEDED with jittered exponential backoff (0.1 s to 60 s,
// x1.3: the API's service config); the others only as far as `retries` says. An error has the server's code, and its
// message after the name of the RPC; one that tells of no answer names the address. The interface exists for
// decorators: ForwardingStub is their base.
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
  std::string database{};  // empty: the default database
  Channels channels{};     // from make_channels(); each attempt takes the next one
  Backoff backoff{};       // between attempts; the defaults are those of the API's service config
};

// The stub over gRPC. Its destructor cancels the calls under way and returns when every `done` has; only when it runs
// inside a `done` (which must not block) does it leave the cancelled calls to end by themselves.
std::unique_ptr<Stub> make_stub(StubConfig config);

// Whether a Commit that ended with `status` may or may not have been applied (or may still be): UNAVAILABLE,
// DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL, and whatever a resend was answered after an attempt that ended so.
// All other errors are known failures: nothing was written.
bool outcome_unknown(const absl::Status& status);

}  // namespace ndb::datastore
