#include "context/context_impl.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/allocate_batch.h"
#include "context/current.h"
#include "context/raw_batch.h"
#include "context/read_wave.h"
#include "context/time_left.h"
#include "context/transaction_state.h"
#include "context/write.h"
#include "context/write_batch.h"
#include "memcache/time_limit.h"
#include "model/default_partition.h"

namespace ndb {

using context::AllocateBatch;
using context::CallPolicy;
using context::current_hold;
using context::RawBatch;
using context::ReadWave;
using context::RpcOptions;
using context::Workspace;
using context::Write;
using context::WriteBatch;

Context::Impl::Impl(std::shared_ptr<Client::Core> client)
    : core(std::move(client)),
      workspace(std::make_shared<Workspace>(core, std::shared_ptr<const Partition>(core, &core->partition))),
      cache(workspace->cache),
      bounds(Bounds::of_request(nullptr, core->bounds, "the context", std::nullopt, {})),
      writes_(std::make_shared<WriteBatch>(workspace)) {
  cache.set_limit(core->options.cache_entries, core->options.cache_bytes);
}

Context::Impl::~Impl() = default;

absl::Status Context::Impl::configure(const ContextOptions& options) {
  if (options.namespace_ || options.database) {
    Partition where = core->partition;
    if (options.namespace_) where.namespace_ = options.namespace_;
    if (options.database) where.database = options.database;
    if (const absl::Status status = check_partition(where); !status.ok()) {
      return bad_argument(cat("the options of a context: ", from_absl(status.message())));
    }
    workspace->partition = std::make_shared<const Partition>(std::move(where));
  }
  if (options.cache_entries || options.cache_bytes) {
    const std::size_t entries = options.cache_entries.value_or(core->options.cache_entries);
    const std::size_t bytes = options.cache_bytes.value_or(core->options.cache_bytes);
    if (entries == 0 || bytes == 0) {
      return bad_argument(
          "the options of a context: cache_entries and cache_bytes must be more than 0; use "
          "set_cache_policy(false) to cache nothing");
    }
    cache.set_limit(entries, bytes);
  }
  const auto deadline = options.deadline ? options.deadline : core->options.context_deadline;
  if (deadline && *deadline <= std::chrono::nanoseconds(0)) {
    return bad_argument(cat("the options of a context: the deadline must be more than 0, but is ",
                            std::chrono::ceil<std::chrono::milliseconds>(*deadline).count(),
                            " ms: the request has no time left to begin"));
  }
  bounds = Bounds::of_request(tasklet_locals().bounds, core->bounds, "the context", deadline,
                              EventLoop::current().now(), options.stop);
  return absl::OkStatus();
}

void Context::Impl::check_thread() const {
  if (owner_ != std::this_thread::get_id()) {
    throw ContextError(
        "this context belongs to another thread; call ndb::get_context() in each thread instead of keeping it");
  }
  if (over) {
    throw ContextError(
        "the scope or transaction of this context has ended; call ndb::get_context() for the current one");
  }
  if (implicit && !context::is_default(core)) {
    throw ContextError(
        "this context was of a thread without a scope, and the process's default client has changed since; call "
        "ndb::get_context() for the current one");
  }
}

void Context::Impl::check_settings(const char* function) const {
  check_thread();
  if (!implicit) return;
  throw ContextError(cat(function,
                         ": this thread has no scope, so the setting would also apply to whatever the "
                         "thread does next; open a scope (`auto scope = client.context();`) for the setting, or set "
                         "a default in ClientOptions or in the model class"));
}

std::shared_ptr<Context> Context::Impl::outside() const { return outer != nullptr ? outer : current_hold(); }

void Context::Impl::inherit(const Impl& parent) {
  policies = parent.policies;
  workspace->partition = parent.workspace->partition;
  bounds = tasklet_locals().bounds != nullptr ? tasklet_locals().bounds : parent.bounds;
  workspace->counts = parent.workspace->counts;
  running_providers = parent.running_providers;
  cache.copy_limit(parent.cache);
}

absl::StatusOr<Key> Context::Impl::qualify(const Key& key) const {
  if (!key) return bad_key("the empty key names no entity");
  if (!key.project().empty()) return key;
  Partition missing;
  missing.project = partition().project;
  if (key.database().empty()) missing.database = partition().database;
  if (key.namespace_().empty()) missing.namespace_ = partition().namespace_;
  return key.in_partition(missing);
}

absl::Status Context::Impl::check_database(const Key& key) const {
  if (key.database() == workspace->database()) return absl::OkStatus();
  return bad_key(cat(key.to_string(), " is in the database ", quoted(key.database()), ", but this context works in ",
                     quoted(workspace->database()),
                     ": open a scope with client.context({.database = ", quoted(key.database()), "})"));
}

absl::StatusOr<CallPolicy> Context::Impl::decide(const Key& key, const Options& options) const {
  if (bounds->cancelled()) return bounds->check({});
  NDB_RETURN_IF_ERROR(core->use());
  absl::StatusOr<CallPolicy> policy = context::decide(key, options, policies, core->options,
                                                      {.gateway = core->gateway != nullptr,
                                                       .shared = core->shared != nullptr,
                                                       .in_transaction = in_transaction(),
                                                       .clock = core->clock});
  if (policy.ok() && policy->datastore && key.database() != workspace->database()) policy = check_database(key);
  return policy;
}

void Context::Impl::read(const std::shared_ptr<detail::ReadOp>& op, const Options& options) {
  const absl::StatusOr<Key> key = qualify(op->key);
  if (!key.ok()) return op->refuse(key.status());
  op->key = *key;
  if (!key->is_complete()) {
    return op->refuse(bad_key(cat("get of ", key->to_string(), ": the key is incomplete; only put can complete it")));
  }
  if (const absl::Status kind = detail::check_kind(*key, *op->info); !kind.ok()) return op->refuse(kind);
  const absl::StatusOr<CallPolicy> policy = decide(*key, options);
  if (!policy.ok()) return op->refuse(policy.status());
  if (const detail::ModelInfo* hooks = *detail::find_model(key->kind())) {
    if (hooks->pre_get != nullptr) hooks->pre_get(*key);
    if (hooks->post_get != nullptr) {
      op->post_get = hooks->post_get;
      op->context = current_hold();
    }
  }
  if (auto hit = known(*key, *op->info, policy->cache, policy->oldest); hit.known) {
    if (!hit.payload.ok()) return op->refuse(hit.payload.status());
    ++counts().cache_hits;
    return op->finish(*std::move(hit.payload));
  }
  if (!policy->memcache && !policy->datastore)
    return op->finish({});  // the context cache is the only tier, and has no slot
  if (in_transaction() && options.read_consistency == ReadConsistency::kEventual) {
    return op->refuse(bad_request(cat("get of ", key->to_string(), ": a read in a transaction can't be EVENTUAL")));
  }
  if (workspace->own_writes.find(*key) == nullptr) return reads().entity(op, *policy, rpc(options));
  read_behind_write(op, *policy, rpc(options).begin());
}

// Past the context cache: what the tiers have, once they have what was written before.
void Context::Impl::read_behind_write(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy,
                                      const RpcOptions& rpc) {
  struct Waiting {
    bool over = false;
    std::optional<Bounds::Watch> watch;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->watch.emplace(rpc.bounds, [op, bounds = rpc.bounds, weak = std::weak_ptr(waiting)] {
    if (const auto one = weak.lock()) one->over = true;
    op->refuse(annotate(context::check(bounds.get()),
                        cat("get of ", op->key.to_string(), ": an earlier write of the key has not ended")));
  });
  workspace->own_writes.when_ended(op->key, [self = shared_from_this(), op, policy, rpc, waiting] {
    waiting->watch.reset();
    if (!waiting->over) self->reads().entity(op, policy, rpc);
  });
}

context::KnownEntity Context::Impl::known(const Key& key, const detail::ModelInfo& info, bool use_cache,
                                          WallTime oldest) {
  if (use_cache || in_transaction()) {
    if (const detail::PayloadPtr* const written = workspace->own_writes.find(key)) {
      if (workspace->own_writes.is_opaque(key)) {
        if (!in_transaction()) return {};  // the tiers know when the write has ended
        return {true, bad_request(cat("read of ", key.to_string(),
                                      ": this transaction has patched it, and its new state is known only after the "
                                      "commit; read it before"))};
      }
      return {true, context::as_class(key, *written, info)};
    }
  }
  return use_cache ? cache.find_as(key, info, oldest) : context::KnownEntity();
}

ReadWave& Context::Impl::reads() {
  if (open_reads_ == nullptr) {
    open_reads_ = std::make_shared<ReadWave>(workspace, in_transaction() ? transaction->id : std::string());
    workspace->in_flight->when_idle([self = shared_from_this()] { std::exchange(self->open_reads_, nullptr)->send(); });
  }
  return *open_reads_;
}

void Context::Impl::write(Write write) {
  // In a transaction the id is always allocated first, so that the key can be locked before the Commit.
  if (!write.key.is_complete() && (in_transaction() || write.allocate_first)) return write_with_id(std::move(write));
  if (!in_transaction()) return writes_->add(std::move(write));
  context::OwnWrites& own = workspace->own_writes;
  if (own.find(write.key) != nullptr && (write.opaque() || own.is_opaque(write.key))) {
    const absl::Status status = bad_request(cat("write of ", write.key.to_string(),
                                                ": a key that a transaction patches is written once in it; make one "
                                                "patch of all changes"));
    // Later, when the caller has either kept the future or dropped it.
    return workspace->in_flight->when_idle([done = std::move(write.done), status] { done(status); });
  }
  cache.erase(write.key);
  own.replace(write.key, write.payload, write.opaque());
  auto done = std::exchange(write.done, nullptr);
  const Key key = write.key;
  transaction->add(std::move(write));
  done(key);
}

void Context::Impl::write_with_id(Write write) {
  write.rpc = write.rpc.begin();
  allocate(write.key, write.rpc,
           [self = shared_from_this(), write, transactional = in_transaction()](absl::StatusOr<Key> key) mutable {
             if (!key.ok()) return write.done(key.status());
             absl::StatusOr<std::string> entity = detail::encode_entity(*key, *write.payload.get());
             if (!entity.ok()) return write.done(entity.status());
             if (transactional && !self->in_transaction()) {
               return write.done(bad_request("the transaction has ended before this put"));
             }
             write.key = *std::move(key);
             write.entity = *std::move(entity);
             self->write(std::move(write));
           });
}

void Context::Impl::allocate(const Key& incomplete, const RpcOptions& rpc,
                             std::function<void(absl::StatusOr<Key>)> done) {
  std::shared_ptr<AllocateBatch>& open = open_allocations_[rpc];
  if (open != nullptr) return open->add(incomplete, std::move(done));
  open = std::make_shared<AllocateBatch>(workspace, rpc);
  open->add(incomplete, std::move(done));
  workspace->in_flight->when_idle([self = shared_from_this(), rpc] {
    const std::shared_ptr<AllocateBatch> batch = std::move(self->open_allocations_.extract(rpc).mapped());
    batch->send();
  });
}

RawBatch& Context::Impl::raw() {
  if (open_raw_ == nullptr) {
    open_raw_ = std::make_shared<RawBatch>(*gateway());
    workspace->in_flight->when_idle([self = shared_from_this(), current = rpc({}).bounds] {
      const memcache::TimeLimit limit(context::time_left(current.get()));
      std::exchange(self->open_raw_, nullptr)->send();
    });
  }
  return *open_raw_;
}

void Context::Impl::get_raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done) {
  if (open_raw_ != nullptr) {
    open_raw_->get(std::move(key), std::move(done));
  } else {
    reads().raw(std::move(key), std::move(done));
  }
}

void Context::Impl::outermost_call_ends() noexcept {
  while (!unended.empty()) {
    for (const auto& write : std::exchange(unended, {})) {
      try {
        write->wait();
      } catch (const std::exception& error) {
        log(Severity::kError, cat("a write in a thread without a scope was not made: ", error.what()));
      }
    }
  }
  cache.clear();
}

}  // namespace ndb
