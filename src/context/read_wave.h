// What a context reads together: its open batches of entities, the tags of the process-wide cache and the caller's own
// items go to memcache as one batch.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "context/call_policy.h"
#include "context/workspace.h"
#include "memcache/gateway.h"
#include "ndb/detail/calls.h"

namespace ndb::context {

class ReadBatch;

// Open until send().
class ReadWave {
 public:
  // `transaction`: the one whose snapshot is read; empty: none.
  ReadWave(std::shared_ptr<Workspace> workspace, std::string transaction)
      : workspace_(std::move(workspace)), transaction_(std::move(transaction)) {}

  void entity(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy, const RpcOptions& rpc);
  // `reads` are answered in place and must stay valid until `done` is called.
  void tags(std::span<memcache::TagRead> reads, std::function<void()> done);
  void raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done);
  void send();

 private:
  const std::shared_ptr<Workspace> workspace_;
  const std::string transaction_;
  void note(const Bounds* bounds);

  std::vector<std::shared_ptr<ReadBatch>> batches_;
  absl::flat_hash_map<RpcOptions, std::size_t> by_rpc_;  // the last batch of each
  Monotonic latest_ = Monotonic::min();                  // when the last of them must have ended
  std::vector<std::pair<std::span<memcache::TagRead>, std::function<void()>>> tags_;
  std::vector<memcache::RawRead> raw_;
  std::vector<std::function<void(std::optional<memcache::RawItem>)>> raw_done_;
};

}  // namespace ndb::context
