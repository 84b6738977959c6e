// The inside of a client: what all its contexts share.
#pragma once

#include <memory>

#include "context/consistency_probe.h"
#include "datastore/stub.h"
#include "memcache/gateway.h"
#include "ndb/client.h"
#include "ndb/key.h"

namespace ndb {

// Immutable once made; stub and gateway are thread-safe. Tests make one around a stub or gateway of their own.
class Client::Core {
 public:
  ClientOptions options;
  Partition partition;  // all three fields are set
  std::unique_ptr<datastore::Stub> stub;
  std::unique_ptr<memcache::Gateway> gateway;  // null: no memcache tier
  const Clock* clock = &Clock::system();
  std::unique_ptr<ConsistencyProbe> probe;  // null: off. After stub and gateway, which it uses
};

}  // namespace ndb
