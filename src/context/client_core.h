// The inside of a client: what all its contexts share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "context/tiers.h"
#include "datastore/observed_stub.h"
#include "memcache/gateway.h"
#include "ndb/client.h"
#include "ndb/key.h"

namespace ndb {

// Immutable once made. Tests make one around a stub or gateway of their own.
class Client::Core : public context::Tiers {
 public:
  ClientOptions options;
  Partition partition;  // all three fields are set
  std::shared_ptr<datastore::RpcCounters> rpcs = std::make_shared<datastore::RpcCounters>();  // of the RPCs of `stub`
};

}  // namespace ndb

namespace ndb::context {

// What ClientOptions leave to the environment, for programs that need one tier alone.
absl::StatusOr<std::string> find_project(const ClientOptions& options);  // BadArgumentError if there is none
memcache::Config memcache_config(const ClientOptions& options);          // no servers: no memcache tier
// At spaces and commas.
std::vector<std::string> split_hosts(std::string_view text);

}  // namespace ndb::context
