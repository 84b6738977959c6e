// How tests intercept the calls between a client and its Datastore: a ForwardingStub in a core that was taken from a
// client.
#pragma once

#include <memory>
#include <utility>

#include "context/client_core.h"
#include "datastore/forwarding_stub.h"
#include "ndb/client.h"

namespace ndb::testing {

using datastore::ForwardingStub;

// A core with the options, stub and gateway of `client`, to be changed before another client is made of it. `client`
// must not be used afterwards.
inline std::shared_ptr<Client::Core> take_core(const Client& client) {
  auto core = std::make_shared<Client::Core>();
  core->options = core_of(client)->options;
  core->partition = core_of(client)->partition;
  core->gateway = std::move(core_of(client)->gateway);
  core->stub = std::move(core_of(client)->stub);
  core->rpcs = core_of(client)->rpcs;
  core->shared = std::move(core_of(client)->shared);
  return core;
}

}  // namespace ndb::testing
