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

// Sends requests to the Datastore. Thread-safe; one per client. Every function returns at once; `done` runs exactly
// once, on a thread of gRPC's or on the caller's, and must neither block nor throw. project_id and database_id of a
// request are filled in from the stub's own. Lookup, RunQuery, RunAggregationQuery and ReserveIds are retried after
// UNAVAILABLE and DEADLINE_EXCEEDED with jittered exponential back-off (0.1 s to 60 s, x1.3: the API's service config);
// the others only as far as `retries` says. An error has the server's code, and its message after the name of the RPC;
// one that tells of no answer names the address. The interface exists because tests put faults and counters between the
// context and the real stub.
class Stub {
 public:
  virtual ~Stub() = default;
  virtual void lookup(wire::LookupRequest request, const CallOptions& options, Done<wire::LookupResponse> done) = 0;
  virtual void run_query(wire::RunQueryRequest request, const CallOptions& options,
                         Done<wire::RunQueryResponse> done) = 0;
  virtual void run_aggregation_query(wire::RunAggregationQueryRequest request, const CallOptions& options,
                                     Done<wire::RunAggregationQueryResponse> done) = 0;
  virtual void begin_transaction(wire::BeginTransactionRequest request, const CallOptions& options,
                                 Done<wire::BeginTransactionResponse> done) = 0;
  virtual void commit(wire::CommitRequest request, const CallOptions& options, Done<wire::CommitResponse> done) = 0;
  virtual void rollback(wire::RollbackRequest request, const CallOptions& options,
                        Done<wire::RollbackResponse> done) = 0;
  virtual void allocate_ids(wire::AllocateIdsRequest request, const CallOptions& options,
                            Done<wire::AllocateIdsResponse> done) = 0;
  virtual void reserve_ids(wire::ReserveIdsRequest request, const CallOptions& options,
                           Done<wire::ReserveIdsResponse> done) = 0;
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
