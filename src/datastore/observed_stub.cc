#include "datastore/observed_stub.h"

#include <algorithm>
#include <iterator>

namespace ndb {

std::string_view to_string(RpcMethod method) {
#define NDB_NAME(function, Name, idempotent) #Name,
  static constexpr std::string_view kNames[] = {NDB_DATASTORE_RPCS(NDB_NAME)};
#undef NDB_NAME
  static_assert(std::size(kNames) == kRpcMethods);
  return kNames[static_cast<std::size_t>(method)];
}

namespace datastore {

void RpcCounters::ended(RpcMethod method, absl::StatusCode code, std::chrono::nanoseconds time) {
  Cell& cell = cells_[static_cast<std::size_t>(method)];
  // A server may send a code that gRPC does not define.
  const auto number = static_cast<std::size_t>(code);
  const std::size_t known = number < RpcStats::kCodes ? number : static_cast<std::size_t>(absl::StatusCode::kUnknown);
  cell.by_code[known].fetch_add(1, std::memory_order_relaxed);
  cell.nanoseconds.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)),
                             std::memory_order_relaxed);
}

DatastoreStats RpcCounters::stats() const {
  DatastoreStats stats;
  for (std::size_t method = 0; method < kRpcMethods; ++method) {
    RpcStats& rpc = stats.by_method[method];
    for (std::size_t code = 0; code < RpcStats::kCodes; ++code) {
      rpc.by_code[code] = cells_[method].by_code[code].load(std::memory_order_relaxed);
    }
    rpc.time = std::chrono::nanoseconds(cells_[method].nanoseconds.load(std::memory_order_relaxed));
  }
  return stats;
}

}  // namespace datastore
}  // namespace ndb
