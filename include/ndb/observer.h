// ndb::Observer: sees every RPC and every batch to a memcached server begin and end, for traces and logs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace ndb {

// What a span covers.
enum class SpanKind : std::uint8_t {
  kRpc,            // a call of the Datastore with all its attempts and the pauses between them
  kRpcAttempt,     // one attempt of it, which is what a server sees; its parent is the kRpc
  kMemcacheBatch,  // what goes to one memcached server together, until its answer
};

// "rpc", "rpc attempt", "memcache batch".
std::string_view to_string(SpanKind kind);

// A span when it begins. The texts are valid during the call.
struct SpanBegin {
  SpanKind kind{};           // what it is a span of
  std::uint64_t id = 0;      // of this span only, in this process; never 0
  std::uint64_t parent = 0;  // the span that it is a part of; 0: none
  // Of an RPC, its method: "Lookup". Of a batch: "read" (reads and the stores before them), "command" (one command of
  // memcache_*), or "store" (sent without waiting for an answer).
  std::string_view name{};
  std::string_view server{};  // of the Datastore or memcached, as configured
  std::size_t keys = 0;       // or mutations of a Commit; 0 for RPCs that have none
  std::size_t bytes = 0;      // the request: the message of an RPC, the values that are stored in memcached
  int attempt = 0;            // of kRpcAttempt: 1 is the first
};

// The same span when it has ended.
struct SpanEnd {
  SpanKind kind{};                  // as of its begin
  std::uint64_t id = 0;             // that of its begin
  std::chrono::nanoseconds time{};  // since it began
  // Of an RPC, its outcome. Of a batch: UNAVAILABLE if the server did not answer it completely. A missing item is OK.
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string_view message{};  // of an error
  std::size_t found = 0;       // items of a batch "read", entities of a Lookup, results of a RunQuery, keys allocated
  std::size_t bytes = 0;       // the answer: the message of an RPC, the values that memcached sent
};

// Headers for one attempt of an RPC, such as `traceparent`. Names consist of lower-case letters, digits, '-', '_' and
// '.', do not begin with "grpc-" or "x-goog-", do not end in "-bin", and are not "authorization", "user-agent", "host",
// "te" or "content-type"; values of printable ASCII. All of them have at most 4 KiB. Others are left out, and logged.
using RpcHeaders = std::vector<std::pair<std::string, std::string>>;

// Derive from it, and set it as ClientOptions::observer. Its functions are called from any thread, several at a time.
// kRpc and kMemcacheBatch begin on the thread that makes the call: that of the context, or one of the framework's own,
// for probes and repairs. Retries begin, and RPCs end, on threads of gRPC's, or in that of the call. Each begin() has
// one end(), also if the client is destroyed meanwhile; spans of one parent may overlap. The functions delay what they
// observe, so they must not block, and must not call the framework. What they throw is logged, at most once every ten
// seconds, and goes no further. The client keeps the observer until its last RPC has ended.
//
// Reads that are batched together share their RPC and their batches, so a span may serve several calls and tasklets.
class Observer {
 public:
  Observer() = default;
  virtual ~Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  virtual void begin(const SpanBegin& span) = 0;  // once for each span
  virtual void end(const SpanEnd& span) = 0;      // once, after its begin()
  // Headers for the attempt that has just begun.
  virtual RpcHeaders headers(const SpanBegin& attempt) {
    static_cast<void>(attempt);
    return {};
  }
};

}  // namespace ndb
