#include "context/own_writes.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>

namespace ndb::context {

std::uint64_t OwnWrites::begin(const Key& key, detail::PayloadPtr payload, bool opaque) {
  OfKey& writes = by_key_[key];
  if (writes.last_turn != 0) writes.earlier.emplace(writes.last_turn, std::move(writes.last));
  writes.last = {std::move(payload), opaque};
  return writes.last_turn = ++writes.begun;
}

void OwnWrites::replace(const Key& key, detail::PayloadPtr payload, bool opaque) {
  OfKey& writes = by_key_[key];
  writes.last = {std::move(payload), opaque};
  writes.last_turn = writes.begun = 1;
}

bool OwnWrites::end(const Key& key, std::uint64_t turn) {
  const auto found = by_key_.find(key);
  OfKey& writes = found->second;
  const bool only = writes.earlier.empty();
  const bool next_is_oldest = !only && writes.earlier.begin()->first == turn;
  if (!only && turn == writes.last_turn) {
    const auto before = std::prev(writes.earlier.end());
    writes.last_turn = before->first;
    writes.last = std::move(before->second);
    writes.earlier.erase(before);
  } else if (!only) {
    writes.earlier.erase(turn);
  }
  const std::uint64_t oldest_left = only                     ? std::numeric_limits<std::uint64_t>::max()
                                    : writes.earlier.empty() ? writes.last_turn
                                                             : writes.earlier.begin()->first;
  // Waiters are ordered by their turns.
  const auto still_waiting =
      std::ranges::find_if(writes.waiting, [&](const auto& waiting) { return waiting.first >= oldest_left; });
  const std::vector due(std::make_move_iterator(writes.waiting.begin()), std::make_move_iterator(still_waiting));
  writes.waiting.erase(writes.waiting.begin(), still_waiting);
  if (only) by_key_.erase(found);
  for (const auto& [last, then] : due) then();
  return next_is_oldest;
}

void OwnWrites::when_ended(const Key& key, std::function<void()> then) {
  OfKey& writes = by_key_.find(key)->second;
  writes.waiting.emplace_back(writes.last_turn, std::move(then));
}

void OwnWrites::when_all_ended(const std::function<void()>& then) {
  auto left = std::make_shared<std::size_t>(by_key_.size());
  for (auto& [key, writes] : by_key_) {
    writes.waiting.emplace_back(writes.last_turn, [left, then] {
      if (--*left == 0) then();
    });
  }
}

}  // namespace ndb::context
