// The inside of a context: what is current in it, and its open batches.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "context/call_policy.h"
#include "context/client_core.h"
#include "context/context_cache.h"
#include "context/workspace.h"
#include "ndb/context.h"
#include "ndb/detail/calls.h"
#include "ndb/model.h"
#include "shared_cache/flights.h"

namespace ndb::context {

class ReadWave;
class WriteBatch;
class RawBatch;
class AllocateBatch;
struct Write;
class TransactionState;

}  // namespace ndb::context

namespace ndb {

class Context::Impl : public std::enable_shared_from_this<Context::Impl> {
 public:
  explicit Impl(std::shared_ptr<Client::Core> client);
  ~Impl();

  // Of the thread's current context. Throws ContextError as get_context() does.
  static Impl& current() { return get_context().impl(); }
  void check_thread() const;

  absl::StatusOr<Key> qualify(const Key& key) const;  // fills in the partition; an empty key is an error

  // Which tiers serve a call, and whether the context cache does.
  absl::StatusOr<context::CallPolicy> decide(const Key& key, const Options& options) const;
  bool decides_cache(const Key& key, const Options& options, const detail::ModelInfo* info) const {
    return context::decides_cache(key, options, policies, core->options, info);
  }

  void read(const std::shared_ptr<detail::ReadOp>& op, const Options& options);
  // The entity as this context knows it, null if it is absent: what the context has written itself and nobody has
  // confirmed, or else what is cached since `oldest`. nullopt: the tiers must be asked. `use_cache`: see
  // decides_cache(). In a transaction its own writes are seen in any case.
  std::optional<absl::StatusOr<detail::PayloadPtr>> known(const Key& key, const detail::ModelInfo& info, bool use_cache,
                                                          WallTime oldest = {});
  void write(context::Write write);
  void allocate(const Key& incomplete, const context::RpcOptions& rpc, std::function<void(absl::StatusOr<Key>)> done);
  context::ReadWave& reads();  // the open one
  context::RawBatch& raw();    // the open one
  // With the other reads, or behind the raw writes that came before it.
  void get_raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done);

  bool in_transaction() const { return transaction != nullptr; }
  // A hold on the nearest context that is in no transaction; of the current context only.
  std::shared_ptr<void> outside() const;
  // Of a transaction's new context: takes over the parent's policies, limits and counts.
  void inherit(const Impl& parent);
  memcache::Gateway* gateway() const { return core->gateway.get(); }
  TierCounts& counts() const { return *workspace->counts; }

  // Waits until nothing is under way; gives the first error that nobody was told of.
  absl::Status drain() { return workspace->in_flight->drain(); }

  const std::shared_ptr<Client::Core> core;
  const std::shared_ptr<context::Workspace> workspace;
  context::ContextCache& cache;  // of the workspace
  context::Policies policies;

  context::TransactionState* transaction = nullptr;  // of a transaction's context, while it runs
  std::shared_ptr<void> outer;                       // of a transaction's context: what outside() gives
  bool over = false;                                 // its scope or transaction has ended: every call is an error
  std::vector<std::function<void()>> on_commit, on_complete;

  shared_cache::Providing providing;  // of a provider's context, and those within it

  // A context without a scope is emptied when its outermost call ends.
  bool implicit = false;
  int depth = 0;

 private:
  void write_with_id(context::Write write);  // gets the id first

  std::shared_ptr<context::ReadWave> open_reads_;
  std::vector<std::pair<context::RpcOptions, std::shared_ptr<context::AllocateBatch>>> open_allocations_;
  std::shared_ptr<context::RawBatch> open_raw_;
  std::shared_ptr<context::WriteBatch>
      writes_;  // made with the context: it orders the writes of a key over all batches
  const std::thread::id owner_ = std::this_thread::get_id();
};

}  // namespace ndb

namespace ndb::context {

// Stands around every call of the NDB-level API on the current context.
class Call {
 public:
  Call() : Call(Context::Impl::current()) {}
  explicit Call(Context::Impl& context) : impl(context) { ++impl.depth; }
  ~Call() {
    if (--impl.depth == 0 && impl.implicit) impl.cache.clear();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Context::Impl& impl;
};

}  // namespace ndb::context

namespace ndb {

inline void throw_if_error(const absl::Status& status) {
  if (!status.ok()) throw_error(status);
}

}  // namespace ndb
