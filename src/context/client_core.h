// What all contexts of a client share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/fork.h"
#include "context/open_contexts.h"
#include "context/tiers.h"
#include "datastore/observed_stub.h"
#include "memcache/gateway.h"
#include "ndb/client.h"
#include "ndb/key.h"
#include "tasklet/bounds.h"

namespace ndb {

// Immutable after construction. Tests build one around a stub or gateway of their own.
class Client::Core : public context::Tiers {
 public:
  Core() = default;
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Called before any use of a tier: ContextError in a child process whose parent has used this client.
  absl::Status use() const {
    if (fork_mark.left_behind()) return used_before_fork("this client was used");
    if (bounds->cancelled()) return context_error("this client was shut down");
    fork_mark.use();
    return absl::OkStatus();
  }

  mutable ForkMark fork_mark;
  const std::uint32_t made_at = fork_count();
  ClientOptions options;
  Partition partition;                                                  // all three fields are set
  const std::shared_ptr<Bounds> bounds = Bounds::of_all("the client");  // of all its contexts
  mutable context::OpenContexts open_contexts;
  mutable std::atomic<bool> closing{false};  // no context is opened any more
  std::shared_ptr<datastore::RpcCounters> rpcs = std::make_shared<datastore::RpcCounters>();  // of the RPCs of `stub`
};

struct detail::ClientAccess {
  static const std::shared_ptr<Client::Core>& core(const Client& client) { return client.core_; }
  static Client make(std::shared_ptr<Client::Core> core) { return Client(std::move(core)); }
};
inline const std::shared_ptr<Client::Core>& core_of(const Client& client) { return detail::ClientAccess::core(client); }

}  // namespace ndb

namespace ndb::context {

// Settings that ClientOptions leave to the environment, for programs that need only one tier.
absl::StatusOr<std::string> find_project(const ClientOptions& options);  // BadArgumentError if there is none
memcache::Config memcache_config(const ClientOptions& options);          // no servers: no memcache tier
// Splits at spaces and commas.
std::vector<std::string> split_hosts(std::string_view text);

}  // namespace ndb::context
