// The writes of a transaction, until it commits.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "context/write.h"

namespace ndb::context {

class TransactionState {
 public:
  TransactionState(std::string transaction, bool is_read_only, int attempt_number)
      : id(std::move(transaction)), read_only(is_read_only), attempt(attempt_number) {}

  // A second write of a key replaces the first one.
  void add(Write write) {
    const auto [position, added] = by_key_.try_emplace(write.key, writes.size());
    if (added) {
      writes.push_back(std::move(write));
    } else {
      writes[position->second] = std::move(write);
    }
  }

  const std::string id;
  const bool read_only;
  const int attempt;          // 1: the first
  std::vector<Write> writes;  // in the order of the first write of each key

 private:
  absl::flat_hash_map<Key, std::size_t, KeyHash> by_key_;
};

}  // namespace ndb::context
