// A batch of reads: memcache, then the Datastore, then the fill of memcache.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "context/call_policy.h"
#include "context/workspace.h"
#include "datastore/pace.h"
#include "memcache/gateway.h"
#include "ndb/detail/calls.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

// Open until ask(). Until then reads of the same key share one request. Later reads do not, because a read in flight
// may return a value older than a write that was acknowledged meanwhile. Lives until the last of its RPCs has been
// answered. Belongs to the thread of its context.
class ReadBatch : public std::enable_shared_from_this<ReadBatch> {
 public:
  // `transaction`: the one whose snapshot is read; empty: none.
  ReadBatch(std::shared_ptr<Workspace> workspace, std::string transaction, RpcOptions rpc)
      : workspace_(std::move(workspace)), transaction_(std::move(transaction)), rpc_(std::move(rpc)) {}

  const RpcOptions& rpc() const { return rpc_; }

  // False: the batch already reads the key, but from other tiers; this read must go into another batch.
  bool add(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy);
  // Closes the batch and appends its requests to memcache. received() then gets the answers to them, in the same order,
  // and sends the Lookups for all other keys.
  void ask(std::vector<memcache::ReadRequest>& requests);
  void received(std::span<memcache::ReadResult> results);

 private:
  struct Waiter {
    std::shared_ptr<detail::ReadOp> op;
    bool cache;  // store the result in the context cache, and serve the slot instead if that is newer
  };
  struct Entry {
    CallPolicy policy;
    absl::InlinedVector<Waiter, 1> waiters;
    memcache::LeasePtr lease;
    bool share = false;         // share the decoded entity with the other threads of the process
    detail::PayloadPtr shared;  // an entity that another thread has decoded; memcache confirms its version
    const Key& key() const { return waiters.front().op->key; }
  };
  struct Result {
    const std::string* entity;  // null: there is none
    std::uint64_t version;
    WallTime read_time;
    memcache::CasHint cas_hint{};
    detail::PayloadPtr shared{};  // the entity, if memcache has confirmed it
  };
  using Chunk = std::vector<std::size_t>;  // indexes into entries_

  std::uint64_t find_shared(Entry& entry) const;  // returns its version, or 0
  void lookup(const std::vector<std::size_t>& rest);
  void lookup(Chunk chunk, datastore::Pace pace);
  void send_lookup(Chunk chunk, const datastore::Pace& pace, const datastore::CallOptions& options);
  void answered(const Chunk& chunk, datastore::Pace pace, absl::StatusOr<wire::LookupResponse> response);
  bool serve(Entry& entry, memcache::ReadResult& result);  // what memcache returned
  // Completes the waiters. With `only_if_readable`, does nothing if the entity can't be decoded for one of them, and
  // returns that error.
  absl::Status resolve(const Entry& entry, const Result& result, bool only_if_readable);
  absl::StatusOr<detail::PayloadPtr> decode(const Entry& entry, const Result& result, const detail::ModelInfo& info);
  absl::Status out_of_time(const absl::Status& status) const;
  void fail(const Chunk& chunk, const absl::Status& status);

  const std::shared_ptr<Workspace> workspace_;
  const std::string transaction_;
  RpcOptions rpc_;  // begun by ask()
  std::vector<Entry> entries_;
  detail::Budget budget_{detail::Budget::kBatchBytes};  // for all decoded entries
  std::uint64_t generation_ = 0;                        // of the context cache at ask()
  std::vector<std::size_t> asked_, rest_;  // indexes into entries_: those that memcache is asked for, and the others
  absl::flat_hash_map<Key, std::size_t, KeyHash> by_key_;
};

}  // namespace ndb::context
