// The inside of a context: its cache, policies and open batches.
#pragma once

#include <cstddef>
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
#include "context/client_core.h"
#include "context/context_cache.h"
#include "datastore/stub.h"
#include "ndb/context.h"
#include "ndb/detail/calls.h"
#include "ndb/model.h"
#include "shared_cache/flights.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

class ReadWave;
class WriteBatch;
class RawBatch;
class AllocateBatch;
struct Write;
class TransactionState;

// What options and policies decide for one key of one call.
struct CallPolicy {
  bool cache = true;
  bool memcache = true;  // serve from it and fill it
  bool datastore = true;
  bool lock = true;  // protect a write: the kind may be in memcache, whatever this call or context says
  bool write_through = false;
  bool best_effort = false;         // write although memcache could not be locked
  bool shared = false;              // serve entities that other threads have decoded, where memcache confirms them
  std::chrono::seconds timeout{0};  // 0 = unlimited
  WallTime oldest{};                // of a read: what was read before is not served
};

// The options that make RPCs different: calls that agree in them share a batch.
struct RpcOptions {
  std::optional<std::chrono::milliseconds> deadline{};
  std::optional<int> retries{};
  bool eventual = false;
  static RpcOptions of(const Options& options) {
    return {options.deadline, options.retries, options.read_consistency == ReadConsistency::kEventual};
  }
  datastore::CallOptions call() const { return {deadline, retries}; }
  bool operator==(const RpcOptions&) const = default;
};

// BadArgumentError for a deadline, a number of retries or an age that makes no sense.
absl::Status check_options(const Options& options);

}  // namespace ndb::context

namespace ndb {

class Context::Impl : public std::enable_shared_from_this<Context::Impl> {
 public:
  explicit Impl(std::shared_ptr<Client::Core> core);
  ~Impl();

  // Of the thread's current context. Throws ContextError as get_context() does.
  static Impl& current() { return get_context().impl(); }
  void check_thread() const;

  absl::StatusOr<Key> qualify(const Key& key) const;  // fills in the partition; an empty key is an error

  // Which tiers serve a call. Options that leave no tier at all are an error.
  absl::StatusOr<context::CallPolicy> decide(const Key& key, const Options& options) const;
  // The same for the context cache alone, without a search for the class: all that a hit needs.
  bool decides_cache(const Key& key, const Options& options, const detail::ModelInfo* info) const;
  absl::StatusOr<std::chrono::seconds> decide_timeout(const Key& key, const Options& options,
                                                      const detail::ModelInfo* info) const;

  // The slot of a key, converted to the class asked for; nullopt if there is none that was read at `oldest` or later.
  std::optional<absl::StatusOr<detail::PayloadPtr>> cached(const Key& key, const detail::ModelInfo& info,
                                                           WallTime oldest = {});

  void read(const std::shared_ptr<detail::ReadOp>& op, const Options& options);
  void write(context::Write write);
  void write_with_id(context::Write write);  // gets the id first
  void allocate(const Key& incomplete, const context::RpcOptions& rpc, std::function<void(absl::StatusOr<Key>)> done);
  context::ReadWave& reads();  // the open one
  context::RawBatch& raw();    // the open one
  // With the other reads, or behind the raw writes that came before it.
  void get_raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done);

  // Calls `send` once nothing is ready to run.
  void when_idle(std::function<void()> send);

  bool in_transaction() const { return transaction != nullptr; }
  // A hold on the nearest context that is in no transaction; of the current context only.
  std::shared_ptr<void> outside() const;
  // Of a transaction's new context: takes over the parent's policies, limits and counts.
  void inherit(const Impl& parent);
  memcache::Gateway* gateway() const { return core->gateway.get(); }
  bool bypasses_memcache(const Key& key) const { return cache.distrusted(key); }

  // Waits until nothing is under way; gives the first error that nobody was told of.
  absl::Status drain();

  // One thing that was under way has ended.
  void done_one() {
    if (--under_way > 0) return;
    for (const std::function<void()>& quiet : std::exchange(on_quiet, {})) quiet();
  }

  // A completion callback for the stub that comes back on this thread's loop.
  template <class Response, class F>
  datastore::Done<Response> on_loop(F f) {
    EventLoop& loop = EventLoop::current();
    loop.started();
    ++under_way;
    return [self = shared_from_this(), &loop, inbox = loop.inbox(),
            f = std::move(f)](absl::StatusOr<Response> response) mutable {
      // The callback may run on a thread of gRPC's: only the inbox is touched here.
      inbox->post([self = std::move(self), &loop, f = std::move(f), response = std::move(response)]() mutable {
        loop.finished();
        f(std::move(response));
        self->done_one();
      });
    };
  }

  const std::shared_ptr<Client::Core> core;
  context::ContextCache cache;
  FlagPolicy cache_policy = nullptr, memcache_policy = nullptr, datastore_policy = nullptr, shared_policy = nullptr;
  TimeoutPolicy timeout_policy = nullptr;

  std::shared_ptr<context::ReadWave> open_reads;
  std::vector<std::pair<context::RpcOptions, std::shared_ptr<context::AllocateBatch>>> open_allocations;
  std::shared_ptr<context::WriteBatch> writes;  // made with the context: it orders the writes of a key over all batches
  std::shared_ptr<context::RawBatch> open_raw;
  std::size_t under_way = 0;                    // batches that wait to be sent and RPCs that are out; see done_one()
  std::vector<std::function<void()>> on_quiet;  // of those who wait in drain()
  absl::Status untold;                          // the first error of a write whose future nobody kept

  context::TransactionState* transaction = nullptr;  // of a transaction's context, while it runs
  std::shared_ptr<void> outer;                       // of a transaction's context: what outside() gives
  bool over = false;                                 // the transaction has ended: every call is an error
  std::vector<std::function<void()>> on_commit, on_complete;

  shared_cache::Providing providing;  // of a provider's context, and those within it

  // A context without a scope is emptied when its outermost call ends.
  bool implicit = false;
  int depth = 0;

  std::shared_ptr<TierCounts> counts;  // shared with the transactions of the context
  const std::thread::id owner = std::this_thread::get_id();
};

}  // namespace ndb

namespace ndb::context {

// Around every call of the NDB-level API on the current context.
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

// The first of the two statuses that is not OK is thrown.
inline void throw_if_error(const absl::Status& status) {
  if (!status.ok()) throw_error(status);
}

}  // namespace ndb
