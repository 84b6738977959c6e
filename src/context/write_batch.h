// Batches of writes: lock in memcache, Commit, release, context cache.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "context/context_impl.h"
#include "memcache/gateway.h"

namespace ndb::context {

// A put or delete on its way. `done` is called exactly once, with the whole key.
struct Write {
  enum class Kind { kUpsert, kDelete };
  Kind kind = Kind::kUpsert;
  Key key;
  detail::PayloadPtr payload;                   // of an upsert
  std::string entity;                           // of an upsert, encoded
  std::optional<std::uint64_t> base_version{};  // of put_if(): of the entity that is replaced; 0 = none
  CallPolicy policy;
  RpcOptions rpc;
  bool allocate_first = false;  // of an incomplete key
  std::function<void(absl::StatusOr<Key>)> done;

  std::size_t size() const { return entity.size() + key.bytes().size(); }
  void fill_mutation(wire::Mutation& mutation) const;
};

// All writes of one context outside transactions. What is added while nothing is ready to run goes out as one batch,
// cut into Commits by their limits. A second write of a key waits until the first has ended: the API allows a key once
// per Commit, and two Commits of one key at once would have no order.
class WriteBatch : public std::enable_shared_from_this<WriteBatch> {
 public:
  explicit WriteBatch(Context::Impl& context) : context_(context) {}

  void add(Write write);
  bool idle() const { return open_.empty() && held_.empty() && keys_.empty(); }

 private:
  struct Item {
    Write write;
    memcache::LockPtr lock;  // null: not locked (incomplete key, best effort, or not a matter of memcache)
    bool needs_lock() const { return write.policy.lock && write.key.is_complete(); }
  };
  // The writes of one Commit. Tainted: an attempt of it ended with an unknown outcome, after which no success is
  // trusted to be the last word and the locks stay.
  struct Commit {
    std::vector<Item> items;
    RpcOptions rpc;
    bool tainted = false;
    int attempts = 0;
  };
  using CommitPtr = std::shared_ptr<Commit>;

  void send();
  std::vector<absl::Status> lock(std::vector<Item>& items, std::chrono::seconds at_least);
  void write_without_datastore(Write write);
  void commit(const CommitPtr& commit);
  bool renew_locks(Commit& commit, std::chrono::milliseconds margin);
  void answered(const CommitPtr& commit, absl::StatusOr<wire::CommitResponse> response);
  void succeeded(Commit& commit, const wire::CommitResponse& response);
  absl::StatusOr<Key> settle(const Item& item, const wire::MutationResult& result, bool tainted,
                             std::vector<memcache::Unlock>& unlocks);
  void failed(Commit& commit, const absl::Status& status, memcache::Commit outcome);
  void split(Commit& commit);
  void retry_later(const CommitPtr& commit);
  void finish(Item& item, absl::StatusOr<Key> result);

  Context::Impl& context_;  // owns this
  std::vector<Write> open_;
  std::deque<Write> held_;
  absl::flat_hash_set<Key, KeyHash> keys_;  // open or in flight
};

// What a write that was applied as `version` (0: unknown to the Datastore) leaves in the context cache.
void remember_write(Context::Impl& context, const Write& write, const Key& key, std::uint64_t version);

// Writes what never reaches the Datastore into memcache, if its policy says so.
absl::Status write_cached(Context::Impl& context, const Write& write);

// How long to wait before attempt number `attempt` + 1: at random below 0.1 s, 0.2 s, 0.4 s, ... 30 s, so that those
// who failed together do not come back together.
std::chrono::milliseconds backoff(int attempt);

// How long a Commit may take by default, and the locks that cover it.
inline constexpr std::chrono::milliseconds kCommitDeadline = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kLockMargin = std::chrono::seconds(2);
inline constexpr std::chrono::milliseconds kLongestCommitDeadline = std::chrono::seconds(300);
std::chrono::seconds lock_hold(std::chrono::milliseconds deadline);

// Limits of one Commit (Datastore API): 500 mutations, 10 MiB.
inline constexpr std::size_t kCommitMutations = 500;
inline constexpr std::size_t kCommitBytes = 10 * 1024 * 1024 - 64 * 1024;

}  // namespace ndb::context
