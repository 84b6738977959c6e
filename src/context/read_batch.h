// A batch of reads: memcache, then the Datastore, then memcache again to fill it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "context/context_impl.h"
#include "datastore/pace.h"
#include "memcache/gateway.h"

namespace ndb::context {

// Open until ask(): reads of the same key join it until then and not later, for a read that is in flight could bring a
// value older than a write that was acknowledged meanwhile. Lives until the last of its RPCs has been answered.
class ReadBatch : public std::enable_shared_from_this<ReadBatch> {
 public:
  ReadBatch(std::shared_ptr<Context::Impl> context, RpcOptions rpc) : context_(std::move(context)), rpc_(rpc) {}

  // False: the batch reads the key already, by other tiers; the read must go to another batch.
  bool add(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy);
  // Closes the batch and appends what it asks memcache for; received() then gets the answers, and goes on from there.
  void ask(std::vector<memcache::ReadRequest>& requests);
  void received(std::span<memcache::ReadResult> results);

 private:
  struct Waiter {
    std::shared_ptr<detail::ReadOp> op;
    bool cache;  // the result goes to the context cache, and what stands there is preferred
  };
  struct Entry {
    CallPolicy policy;
    absl::InlinedVector<Waiter, 1> waiters;
    memcache::LeasePtr lease;
    bool share = false;         // with the other threads of the process, what is decoded
    detail::PayloadPtr shared;  // what one of them has decoded, whose version memcache was asked to confirm
    const Key& key() const { return waiters.front().op->key; }
  };
  struct Result {
    const std::string* entity;  // null: there is none
    std::uint64_t version;
    WallTime read_time;
    memcache::Sighting sighting{};
    detail::PayloadPtr shared{};  // the entity, if memcache has confirmed it
  };
  using Chunk = std::vector<std::size_t>;  // indexes into entries_

  std::uint64_t find_shared(Entry& entry) const;  // its version, or 0
  void lookup(const std::vector<std::size_t>& rest);
  void lookup(Chunk chunk, datastore::Pace pace);
  void send_lookup(Chunk chunk, const datastore::Pace& pace, const datastore::CallOptions& options);
  void answered(const Chunk& chunk, datastore::Pace pace, absl::StatusOr<wire::LookupResponse> response);
  bool serve(Entry& entry, memcache::ReadResult& result);  // what memcache has
  // Tells the waiters. `only_if_readable`: unless the bytes are no entity; then it returns false.
  bool resolve(const Entry& entry, const Result& result, bool only_if_readable = false);
  absl::StatusOr<detail::PayloadPtr> decode(const Entry& entry, const Result& result, const detail::ModelInfo& info);
  void fail(const Chunk& chunk, const absl::Status& status);

  const std::shared_ptr<Context::Impl> context_;
  const RpcOptions rpc_;
  std::vector<Entry> entries_;
  std::uint64_t generation_ = 0;           // of the context cache at ask()
  std::vector<std::size_t> asked_, rest_;  // indexes into entries_: for memcache, and past it
  absl::flat_hash_map<Key, std::size_t, KeyHash> by_key_;
};

}  // namespace ndb::context
