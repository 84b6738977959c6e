#include "context/allocate_batch.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "base/error.h"
#include "base/strings.h"
#include "context/assigned_key.h"
#include "context/time_left.h"
#include "model/limits.h"

namespace ndb::context {

void AllocateBatch::send() {
  const RpcOptions rpc = rpc_.begin();
  if (const absl::Status over = check(rpc.bounds.get()); !over.ok()) return answered(items_, over);
  for (std::size_t begin = 0; begin < items_.size(); begin += kMaxAllocateKeys) {
    const std::size_t end = std::min(begin + kMaxAllocateKeys, items_.size());
    std::vector<Item> items(std::make_move_iterator(items_.begin() + static_cast<std::ptrdiff_t>(begin)),
                            std::make_move_iterator(items_.begin() + static_cast<std::ptrdiff_t>(end)));
    wire::AllocateIdsRequest request;
    request.set_database_id(workspace_->database());
    for (const Item& item : items) request.add_keys(item.key.bytes());
    auto done = workspace_->in_flight->on_loop<wire::AllocateIdsResponse>(
        rpc.bounds,
        [self = shared_from_this(), items = std::move(items)](
            const absl::StatusOr<wire::AllocateIdsResponse>& response) { self->answered(items, response); });
    workspace_->stub().allocate_ids(std::move(request), within(rpc.bounds.get(), rpc.call()), std::move(done));
  }
}

void AllocateBatch::answered(const std::vector<Item>& items,
                             const absl::StatusOr<wire::AllocateIdsResponse>& response) {
  const bool fits = response.ok() && static_cast<std::size_t>(response->keys_size()) == items.size();
  for (std::size_t i = 0; i < items.size(); ++i) {
    absl::StatusOr<Key> key = !response.ok() ? response.status()
                              : fits         ? assigned_key(items[i].key, response->keys(static_cast<int>(i)))
                                             : absl::InternalError("the Datastore's answer does not fit the request");
    if (key.ok()) {
      items[i].done(std::move(key));
    } else {
      items[i].done(annotate(key.status(), cat("allocating an id for ", items[i].key.to_string())));
    }
  }
}

}  // namespace ndb::context
