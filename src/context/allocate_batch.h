// A batch of ids that are allocated before their entities are written.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "context/context_impl.h"

namespace ndb::context {

// Ids for incomplete keys, up to 500 per AllocateIds.
class AllocateBatch : public std::enable_shared_from_this<AllocateBatch> {
 public:
  using Done = std::function<void(absl::StatusOr<Key>)>;
  AllocateBatch(std::shared_ptr<Context::Impl> context, RpcOptions rpc) : context_(std::move(context)), rpc_(rpc) {}

  void add(Key incomplete, Done done) { items_.push_back({std::move(incomplete), std::move(done)}); }
  void send();

 private:
  struct Item {
    Key key;
    Done done;
  };
  void answered(const std::vector<Item>& items, const absl::StatusOr<wire::AllocateIdsResponse>& response);

  const std::shared_ptr<Context::Impl> context_;
  const RpcOptions rpc_;
  std::vector<Item> items_;
};

}  // namespace ndb::context
