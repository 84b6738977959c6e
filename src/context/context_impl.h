// What a context consists of: its settings and its open batches.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
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
#include "shared_cache/single_flight.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

class ReadWave;
class WriteBatch;
class RawBatch;
class AllocateBatch;
class Scopes;
struct Write;
class TransactionState;

}  // namespace ndb::context

namespace ndb {

inline Context::Impl& impl_of(const Context& context);

class Context::Impl : public std::enable_shared_from_this<Context::Impl> {
 public:
  // Makes a context in the client's own partition, with the client's defaults.
  explicit Impl(std::shared_ptr<Client::Core> client);
  ~Impl();
  // Applies the options of a new context. BadArgumentError for an option that makes no sense.
  absl::Status configure(const ContextOptions& options);

  // The current context of the thread. Throws ContextError as get_context() does.
  static Impl& current() { return impl_of(get_context()); }
  void check_thread() const;
  bool on_own_thread() const { return owner_ == std::this_thread::get_id(); }
  // The same check for settings that last as long as the context. A context without a scope does not accept them,
  // because they would also apply to whatever the thread does next.
  void check_settings(const char* function) const;

  const Partition& partition() const { return *workspace->partition; }  // all three fields are set
  absl::StatusOr<Key> qualify(const Key& key) const;  // fills in the partition; an empty key is an error
  absl::Status check_database(const Key& key) const;  // OK: its RPCs can reach a qualified key

  // Which tiers serve a call, and whether the context cache does.
  absl::StatusOr<context::CallPolicy> decide(const Key& key, const Options& options) const;
  bool decides_cache(const Key& key, const Options& options, const detail::ModelInfo* info) const {
    return context::decides_cache(key, options, policies, core->options, info);
  }

  void read(const std::shared_ptr<detail::ReadOp>& op, const Options& options);
  // What this context knows of the entity: an unconfirmed write of its own, else what the context cache has read since
  // `oldest`. `use_cache` is the result of decides_cache(); a transaction sees its own writes in any case.
  context::KnownEntity known(const Key& key, const detail::ModelInfo& info, bool use_cache, WallTime oldest = {});
  void write(context::Write write);
  void allocate(const Key& incomplete, const context::RpcOptions& rpc, std::function<void(absl::StatusOr<Key>)> done);
  context::ReadWave& reads();  // the open batch
  context::RawBatch& raw();    // the open batch
  // Sends the get with the other reads, or after the raw writes that precede it.
  void get_raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done);

  bool in_transaction() const { return transaction != nullptr; }
  // A hold on the nearest context outside of any transaction. Only for the current context.
  std::shared_ptr<Context> outside() const;
  // For a new context within another one: takes over the parent's partition, policies, limits and counters.
  void inherit(const Impl& parent);
  // The options of a call that is made now. It ends with the request of the running tasklet, else of this context.
  context::RpcOptions rpc(const Options& options) const {
    const std::shared_ptr<Bounds>& current = tasklet_locals().bounds;
    return context::RpcOptions::of(options, current != nullptr ? current : bounds);
  }
  memcache::Gateway* gateway() const { return core->gateway.get(); }
  TierCounts& counts() const { return *workspace->counts; }

  // Waits until nothing is in flight. Returns the first error that was not reported to anybody.
  absl::Status drain() { return workspace->in_flight->drain(); }

  // Nobody drains a context without a scope, so its writes, and tasklets that write, end with the call that starts
  // them.
  void end_with_call(std::shared_ptr<detail::FutureCore> write) {
    if (implicit) unended.push_back(std::move(write));
  }
  void outermost_call_ends() noexcept;

  const std::shared_ptr<Client::Core> core;
  const std::shared_ptr<context::Workspace> workspace;
  context::ContextCache& cache;  // of the workspace
  context::Policies policies;
  std::shared_ptr<Bounds> bounds;  // of the request

  context::TransactionState* transaction = nullptr;  // of a transaction's context, while it runs
  std::shared_ptr<Context> outer;                    // of a transaction's context: what outside() returns
  std::atomic<bool> over{false};                     // the scope or transaction has ended; calls fail

  // Of a scope's context.
  std::shared_ptr<detail::FutureState<void>> released;  // done when no tasklet works in it any more
  std::weak_ptr<context::Scopes> opened_in;
  std::size_t place = 0;              // its index among the open ones of its thread
  std::atomic<bool> orphaned{false};  // nobody else can end it, so its thread does

  std::vector<std::function<void()>> on_commit, on_complete;

  shared_cache::RunningProviders running_providers;  // of a provider's context, and those within it

  // A context without a scope is emptied when its outermost call ends.
  bool implicit = false;
  int depth = 0;
  std::vector<std::shared_ptr<detail::FutureCore>> unended;  // see end_with_call()

 private:
  void write_with_id(context::Write write);  // allocates the id first
  void read_behind_write(const std::shared_ptr<detail::ReadOp>& op, const context::CallPolicy& policy,
                         const context::RpcOptions& rpc);

  std::shared_ptr<context::ReadWave> open_reads_;
  absl::flat_hash_map<context::RpcOptions, std::shared_ptr<context::AllocateBatch>> open_allocations_;
  std::shared_ptr<context::RawBatch> open_raw_;
  std::shared_ptr<context::WriteBatch>
      writes_;  // lives as long as the context: it orders the writes of a key across batches
  const std::thread::id owner_ = std::this_thread::get_id();
};

struct detail::ContextAccess {
  static Context::Impl& impl(const Context& context) { return *context.impl_; }
  static std::shared_ptr<Context> make(std::shared_ptr<Context::Impl> impl) {
    struct Made final : Context {
      explicit Made(std::shared_ptr<Context::Impl> i) : Context(std::move(i)) {}
    };
    return std::make_shared<Made>(std::move(impl));
  }
  static std::shared_ptr<Context::Impl> exchange(Context& context, std::shared_ptr<Context::Impl> impl) {
    return std::exchange(context.impl_, std::move(impl));
  }
};
inline Context::Impl& impl_of(const Context& context) { return detail::ContextAccess::impl(context); }

}  // namespace ndb

namespace ndb::context {

// Wraps every call of the NDB-level API on the current context.
class Call {
 public:
  Call() : Call(Context::Impl::current()) {}
  explicit Call(Context::Impl& context) : impl(context) { ++impl.depth; }
  ~Call() {
    if (--impl.depth == 0 && impl.implicit) impl.outermost_call_ends();
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
