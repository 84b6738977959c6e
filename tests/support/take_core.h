// How tests get between a client and its Datastore: a ForwardingStub in a core that was taken from a client.
#pragma once

#include <memory>
#include <utility>

#include "context/client_core.h"
#include "datastore/forwarding_stub.h"
#include "ndb/client.h"

namespace ndb::testing {

using datastore::ForwardingStub;

// A core with the options, stub and gateway of `client`, to be changed before a client is made of it; `client` is of no
// use any more.
inline std::shared_ptr<Client::Core> take_core(const Client& client) {
  auto core = std::make_shared<Client::Core>();
  core->options = client.core()->options;
  core->partition = client.core()->partition;
  core->gateway = std::move(client.core()->gateway);
  core->stub = std::move(client.core()->stub);
  core->rpcs = client.core()->rpcs;
  core->shared = std::move(client.core()->shared);
  return core;
}

}  // namespace ndb::testing
