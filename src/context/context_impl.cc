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
#include "context/transaction_state.h"
#include "context/write_batch.h"

namespace ndb {

using context::AllocateBatch;
using context::CallPolicy;
using context::ContextCache;
using context::current_hold;
using context::RawBatch;
using context::ReadWave;
using context::RpcOptions;
using context::Write;
using context::WriteBatch;

namespace {

// The longest that memcache keeps an entity whose writers do not insist on their locks.
constexpr std::chrono::seconds kBestEffortTimeout{60};

// The first opinion: the call's, the policy's (the default one asks the class), the client's.
bool first_answer(const std::optional<bool>& option, const FlagPolicy& policy, const Key& key,
                  const std::optional<bool>& of_class, const std::optional<bool>& of_client) {
  if (option) return *option;
  if (policy.is_default()) {
    if (of_class) return *of_class;
  } else if (const std::optional<Flag> answer = policy(key)) {
    return answer->value;
  }
  return of_client.value_or(true);
}

absl::StatusOr<std::chrono::seconds> whole_seconds(const Timeout& timeout, const Key& key) {
  const auto ms = timeout.milliseconds;
  if (ms.count() < 0 || ms % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
    return bad_value(cat("memcache_timeout of ", key.to_string(),
                         " must be whole seconds, 0 (unlimited) or more, but is ", ms.count(), " ms"));
  }
  return std::chrono::duration_cast<std::chrono::seconds>(ms);
}

}  // namespace

absl::Status context::check_options(const Options& options) {
  if (options.deadline && (options.deadline->count() <= 0 || *options.deadline > context::kLongestCommitDeadline)) {
    return bad_argument(
        cat("deadline must be more than 0 and at most 300 s, but is ", options.deadline->count(), " ms"));
  }
  if (options.retries && *options.retries < 0) {
    return bad_argument(cat("retries must be 0 or more, but is ", *options.retries));
  }
  if (options.max_staleness && options.max_staleness->count() < 0) {
    return bad_argument(cat("max_staleness must be 0 or more, but is ", options.max_staleness->count(), " ms"));
  }
  return absl::OkStatus();
}

Context::Impl::Impl(std::shared_ptr<Client::Core> client)
    : core(std::move(client)), writes(std::make_shared<WriteBatch>(*this)), counts(std::make_shared<TierCounts>()) {}

Context::Impl::~Impl() = default;

void Context::Impl::check_thread() const {
  if (owner != std::this_thread::get_id()) {
    throw ContextError(
        "this context belongs to another thread; call ndb::get_context() in each thread instead of keeping it");
  }
  if (over) {
    throw ContextError(
        "the scope or transaction of this context has ended; call ndb::get_context() for the current one");
  }
}

std::shared_ptr<void> Context::Impl::outside() const { return outer != nullptr ? outer : current_hold(); }

void Context::Impl::inherit(const Impl& parent) {
  cache_policy = parent.cache_policy;
  memcache_policy = parent.memcache_policy;
  datastore_policy = parent.datastore_policy;
  shared_policy = parent.shared_policy;
  timeout_policy = parent.timeout_policy;
  counts = parent.counts;
  providing = parent.providing;
  cache.copy_limit(parent.cache);
}

absl::StatusOr<Key> Context::Impl::qualify(const Key& key) const {
  if (!key) return bad_key("the empty key names no entity");
  if (!key.project().empty()) return key;
  Partition missing;
  missing.project = core->partition.project;
  if (key.database().empty()) missing.database = core->partition.database;
  if (key.namespace_().empty()) missing.namespace_ = core->partition.namespace_;
  return key.in_partition(missing);
}

bool Context::Impl::decides_cache(const Key& key, const Options& options, const detail::ModelInfo* info) const {
  return first_answer(options.use_cache, cache_policy, key, info ? info->use_cache(key) : std::nullopt,
                      core->options.use_cache);
}

absl::StatusOr<CallPolicy> Context::Impl::decide(const Key& key, const Options& options) const {
  NDB_RETURN_IF_ERROR(context::check_options(options));
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const info, detail::find_model(key.kind()));
  const auto of_class = [&](const detail::ClassFlag<bool> detail::ModelInfo::* flag) {
    return info ? (info->*flag)(key) : std::nullopt;
  };
  const ClientOptions& client = core->options;
  const std::optional<bool> class_memcache = of_class(&detail::ModelInfo::use_memcache);
  CallPolicy policy;
  policy.cache = decides_cache(key, options, info);
  policy.memcache = first_answer(options.use_memcache, memcache_policy, key, class_memcache, client.use_memcache) &&
                    gateway() != nullptr;
  policy.lock = class_memcache.value_or(true) && gateway() != nullptr;
  policy.datastore = first_answer(options.use_datastore, datastore_policy, key,
                                  of_class(&detail::ModelInfo::use_datastore), client.use_datastore);
  // A class that keeps its kind out of memcache promises that its writes need not invalidate there, in any process. So
  // nothing that the Datastore owns may be read from there either, whatever this call or context says.
  if (policy.memcache && !policy.lock && policy.datastore) {
    if (options.use_memcache.value_or(false)) {
      return bad_argument(cat("use_memcache = true for ", key.to_string(), ": the class of kind ",
                              ndb::quoted(key.kind()),
                              " says _use_memcache = false, so that its writes leave memcache as "
                              "it is; drop the option, or the flag in every program"));
    }
    policy.memcache = false;
  }
  policy.shared = policy.memcache && policy.datastore && core->shared != nullptr &&
                  first_answer(options.use_shared_cache, shared_policy, key,
                               of_class(&detail::ModelInfo::use_shared_cache), client.use_shared_cache.value_or(false));
  policy.write_through =
      policy.memcache && options.write_through.value_or(of_class(&detail::ModelInfo::write_through).value_or(false));
  if (!policy.cache && !policy.memcache && !policy.datastore) {
    return bad_argument(cat("no tier is left for ", key.to_string(), ": use_cache and use_datastore are false, and ",
                            gateway() == nullptr ? "the client has no memcached" : "so is use_memcache",
                            "; allow one of them"));
  }
  policy.best_effort = policy.lock && of_class(&detail::ModelInfo::best_effort).value_or(false);
  if (policy.memcache) {
    NDB_ASSIGN_OR_RETURN(policy.timeout, decide_timeout(key, options, info));
    // What a writer could not lock may be served until it expires: soon.
    if (policy.best_effort && (policy.timeout.count() == 0 || policy.timeout > kBestEffortTimeout)) {
      policy.timeout = kBestEffortTimeout;
    }
  }
  // Within a transaction all reads are of one snapshot, which is as old as it is.
  if (options.max_staleness && !in_transaction()) policy.oldest = core->clock->now() - *options.max_staleness;
  return policy;
}

absl::StatusOr<std::chrono::seconds> Context::Impl::decide_timeout(const Key& key, const Options& options,
                                                                   const detail::ModelInfo* info) const {
  std::optional<Timeout> timeout = options.memcache_timeout;
  if (!timeout && timeout_policy.is_default()) {
    if (info != nullptr) timeout = info->memcache_timeout(key);
  } else if (!timeout) {
    timeout = timeout_policy(key);
  }
  if (timeout) return whole_seconds(*timeout, key);
  if (!core->options.memcache_timeout) return std::chrono::seconds(0);
  NDB_ASSIGN_OR_RETURN(const std::chrono::seconds net, whole_seconds(*core->options.memcache_timeout, key));
  // What was cached together must not expire together. A key has one time-out, so that reads of it share a batch.
  const auto tenth = static_cast<std::size_t>(net.count()) / 10;
  return net - std::chrono::seconds(key.hash() % (tenth + 1));
}

std::optional<absl::StatusOr<detail::PayloadPtr>> Context::Impl::cached(const Key& key, const detail::ModelInfo& info,
                                                                        WallTime oldest) {
  const ContextCache::Slot* slot = cache.find(key);
  if (slot == nullptr || slot->read_time < oldest) return std::nullopt;
  if (!slot->payload || detail::is_a(slot->payload->info(), info)) return slot->payload;
  // Read or put as another class of the kind, or as ndb::Entity: the caller gets the same values in its own class.
  const absl::StatusOr<std::string> entity = detail::encode_entity(key, *slot->payload.get());
  if (!entity.ok()) return entity.status();
  absl::StatusOr<detail::PayloadPtr> converted = detail::decode_entity(info, key, *entity);
  if (converted.ok()) (*converted)->set_version(slot->payload->version());
  return converted;
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
  if (policy->cache) {
    if (auto hit = cached(*key, *op->info, policy->oldest)) {
      if (!hit->ok()) return op->refuse(hit->status());
      ++counts->cache_hits;
      return op->finish(**std::move(hit));
    }
  }
  if (!policy->memcache && !policy->datastore) return op->finish({});  // the context cache alone, and it has nothing
  if (in_transaction() && options.read_consistency == ReadConsistency::kEventual) {
    return op->refuse(bad_request(cat("get of ", key->to_string(), ": a read in a transaction can't be EVENTUAL")));
  }
  reads().entity(op, *policy, RpcOptions::of(options));
}

ReadWave& Context::Impl::reads() {
  if (open_reads == nullptr) {
    open_reads = std::make_shared<ReadWave>(shared_from_this());
    when_idle([this] { std::exchange(open_reads, nullptr)->send(); });
  }
  return *open_reads;
}

void Context::Impl::when_idle(std::function<void()> send) {
  ++under_way;
  EventLoop::current().call_when_idle([self = shared_from_this(), send = std::move(send)] {
    send();
    self->done_one();
  });
}

void Context::Impl::write(Write write) {
  // In a transaction always: the key can then be locked before the commit.
  if (!write.key.is_complete() && (in_transaction() || write.allocate_first)) return write_with_id(std::move(write));
  if (!in_transaction()) return writes->add(std::move(write));
  // A transaction reads its own writes through its cache only. Where policy keeps the entity out, the slot of an
  // earlier read goes: it would show this transaction a value that it has replaced.
  if (write.policy.cache) {
    cache.assign_uncommitted(write.key, write.payload);
  } else {
    cache.erase(write.key);
  }
  auto done = std::exchange(write.done, nullptr);
  const Key key = write.key;
  transaction->add(std::move(write));
  done(key);
}

void Context::Impl::write_with_id(Write write) {
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
  for (auto& [open_rpc, batch] : open_allocations) {
    if (open_rpc == rpc) return batch->add(incomplete, std::move(done));
  }
  auto batch = std::make_shared<AllocateBatch>(shared_from_this(), rpc);
  batch->add(incomplete, std::move(done));
  open_allocations.emplace_back(rpc, batch);
  when_idle([this, batch = std::move(batch)] {
    std::erase_if(open_allocations, [&](const auto& open) { return open.second == batch; });
    batch->send();
  });
}

RawBatch& Context::Impl::raw() {
  if (open_raw == nullptr) {
    open_raw = std::make_shared<RawBatch>(shared_from_this());
    when_idle([this] { std::exchange(open_raw, nullptr)->send(); });
  }
  return *open_raw;
}

void Context::Impl::get_raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done) {
  if (open_raw != nullptr) {
    open_raw->get(std::move(key), std::move(done));
  } else {
    reads().raw(std::move(key), std::move(done));
  }
}

absl::Status Context::Impl::drain() {
  while (under_way > 0) {
    auto idle = std::make_shared<detail::FutureState<void>>();
    on_quiet.emplace_back([idle] { idle->set(detail::Unit{}); });
    Future<void>(idle).wait();
  }
  return std::exchange(untold, absl::OkStatus());
}

}  // namespace ndb
