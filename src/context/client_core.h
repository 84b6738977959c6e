// The inside of a client: what all its contexts share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "context/consistency_probe.h"
#include "datastore/observed_stub.h"
#include "datastore/stub.h"
#include "memcache/gateway.h"
#include "ndb/client.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"
#include "shared_cache/store.h"

namespace ndb::context {

// Entities as they were decoded, for all threads of a process. One is what memcache holds as long as its record says
// so: VALUE with the same version, which names the contents.
struct SharedEntity {
  detail::PayloadPtr payload;
  std::uint64_t version = 0;
};
using SharedEntities = shared_cache::SharedStore<SharedEntity>;  // by the bytes of the key

}  // namespace ndb::context

namespace ndb {

// Immutable once made; stub and gateway are thread-safe. Tests make one around a stub or gateway of their own.
class Client::Core {
 public:
  ClientOptions options;
  Partition partition;  // all three fields are set
  std::unique_ptr<datastore::Stub> stub;
  std::shared_ptr<datastore::RpcCounters> rpcs = std::make_shared<datastore::RpcCounters>();  // of the RPCs of `stub`
  std::unique_ptr<memcache::Gateway> gateway;                                                 // null: no memcache tier
  const Clock* clock = &Clock::system();
  std::unique_ptr<context::SharedEntities> shared;   // null: no memcache tier, which has to confirm them
  std::unique_ptr<context::ConsistencyProbe> probe;  // null: off. After stub and gateway, which it uses
};

}  // namespace ndb

namespace ndb::context {

// What ClientOptions leave to the environment, for programs that need one tier alone.
absl::StatusOr<std::string> find_project(const ClientOptions& options);  // BadArgumentError if there is none
memcache::Config memcache_config(const ClientOptions& options);          // no servers: no memcache tier
// At spaces and commas.
std::vector<std::string> split_hosts(std::string_view text);

}  // namespace ndb::context
