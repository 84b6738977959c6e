#include "context/own_writes.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace ndb::context {

bool OwnWrites::begin(const Key& key, detail::PayloadPtr payload, bool opaque) {
  OfKey& writes = by_key_[key];
  writes.payload = std::move(payload);
  writes.opaque = opaque;
  return ++writes.begun - writes.ended == 1;
}

void OwnWrites::end(const Key& key) {
  const auto found = by_key_.find(key);
  OfKey& writes = found->second;
  ++writes.ended;
  // Waiters are ordered by their counts.
  const auto still_waiting =
      std::ranges::find_if(writes.waiting, [&](const auto& waiting) { return waiting.first > writes.ended; });
  const std::vector due(std::make_move_iterator(writes.waiting.begin()), std::make_move_iterator(still_waiting));
  writes.waiting.erase(writes.waiting.begin(), still_waiting);
  if (writes.ended == writes.begun) by_key_.erase(found);
  for (const auto& [count, then] : due) then();
}

void OwnWrites::when_ended(const Key& key, std::function<void()> then) {
  OfKey& writes = by_key_.find(key)->second;
  writes.waiting.emplace_back(writes.begun, std::move(then));
}

void OwnWrites::when_all_ended(const std::function<void()>& then) {
  auto left = std::make_shared<std::size_t>(by_key_.size());
  for (auto& [key, writes] : by_key_) {
    writes.waiting.emplace_back(writes.begun, [left, then] {
      if (--*left == 0) then();
    });
  }
}

}  // namespace ndb::context
