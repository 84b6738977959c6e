// A batch of ids to allocate before their entities are written.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "context/call_policy.h"
#include "context/workspace.h"
#include "ndb/key.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

// Allocates ids for incomplete keys, up to 500 per AllocateIds.
class AllocateBatch : public std::enable_shared_from_this<AllocateBatch> {
 public:
  using Done = std::function<void(absl::StatusOr<Key>)>;
  AllocateBatch(std::shared_ptr<Workspace> workspace, RpcOptions rpc)
      : workspace_(std::move(workspace)), rpc_(std::move(rpc)) {}

  void add(Key incomplete, Done done) { items_.push_back({std::move(incomplete), std::move(done)}); }
  void send();

 private:
  struct Item {
    Key key;
    Done done;
  };
  void answered(const std::vector<Item>& items, const absl::StatusOr<wire::AllocateIdsResponse>& response);

  const std::shared_ptr<Workspace> workspace_;
  const RpcOptions rpc_;
  std::vector<Item> items_;
};

}  // namespace ndb::context
