// SharedCache in its context: batches, transactions, the context of a provider.
#include "ndb/shared_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/item_names.h"
#include "context/read_wave.h"
#include "context/time_left.h"
#include "memcache/time_limit.h"
#include "shared_cache/tagged_cache.h"

namespace ndb::detail {
namespace {

using context::Call;
using context::chosen_name;
using context::find_context;
using context::is_whole;
using context::item_name;
using context::run_in;

// The thread's current context if it belongs to the client, else null.
Context::Impl* current_of(const std::shared_ptr<Client::Core>& core) {
  Context* const context = find_context();
  return context != nullptr && impl_of(*context).core == core ? &impl_of(*context) : nullptr;
}

class ContextEnvironment final : public shared_cache::Environment {
 public:
  ContextEnvironment(Context::Impl& context, bool in_all_namespaces)
      : context_(context), in_all_namespaces_(in_all_namespaces) {}

  void read_tags(std::span<memcache::TagRead> tags) override {
    if (context_.gateway() == nullptr) return;
    auto state = std::make_shared<FutureState<void>>();
    context_.reads().tags(tags, [state] { state->set(Unit{}); });
    Future<void>(state).wait();
  }

  const shared_cache::RunningProviders& running_providers() const override { return context_.running_providers; }

  // The provider must not see what the caller's context has cached or its transaction has read, since both may be older
  // than the tag.
  void isolated(const shared_cache::RunningProviders& running_providers, absl::FunctionRef<void()> provider) override {
    auto impl = std::make_shared<Context::Impl>(context_.core);
    impl->inherit(context_);
    if (in_all_namespaces_) impl->workspace->partition = {context_.core, &context_.core->partition};
    impl->running_providers.insert(impl->running_providers.end(), running_providers.begin(), running_providers.end());
    run_in(ContextAccess::make(std::move(impl)), provider);
  }

 private:
  Context::Impl& context_;
  const bool in_all_namespaces_;
};

}  // namespace

class SharedCacheBase::Inside {
 public:
  // Called before anything that takes a lock: in a child of fork() it may be held by a thread that does not exist
  // there.
  void check_process() const { throw_if_error(core->use()); }

  Inside(std::shared_ptr<Client::Core> of, SharedCacheOptions<Value> options)
      : core(std::move(of)), in_all_namespaces(options.all_namespaces), cache(std::move(options), *core->clock) {}

  // Keeps the names of a call apart from others: the current context's, if it is one of this client.
  const Partition& partition() const {
    if (in_all_namespaces) return all;
    const Context* const current = tasklet_locals().context.get();
    return current != nullptr && impl_of(*current).core == core ? impl_of(*current).partition() : core->partition;
  }

  void invalidate(const std::vector<std::string>& keys) {
    std::vector<std::string> tags(keys.size());
    std::ranges::transform(keys, tags.begin(), [&](const std::string& key) { return cache.tag_name(key); });
    const memcache::TimeLimit limit(context::time_to_release(tasklet_locals().bounds.get()));
    const absl::Status status =
        core->gateway != nullptr ? core->gateway->reset_tags(tags, cache.new_tag_timeout()) : absl::OkStatus();
    cache.forget(keys);
    if (!status.ok()) throw_error(annotate(status, "invalidate in a SharedCache"));
  }

  const std::shared_ptr<Client::Core> core;
  const bool in_all_namespaces;
  const Partition all{.project = "", .database = "", .namespace_ = ""};  // in which names are as they are
  shared_cache::TaggedCache cache;
};

SharedCacheBase::SharedCacheBase(const Client& client, SharedCacheOptions<Value> options)
    : inside_(std::make_shared<Inside>(core_of(client), std::move(options))) {}
SharedCacheBase::~SharedCacheBase() = default;

bool SharedCacheBase::find_fresh(std::string_view key, Value& value) {
  inside_->check_process();
  const Partition& where = inside_->partition();
  if (is_whole(where, key)) return inside_->cache.find_fresh(key, value);
  return inside_->cache.find_fresh(item_name(where, key), value);
}

std::vector<SharedCacheBase::Value> SharedCacheBase::get(std::span<const std::string_view> keys, const Load& load) {
  const Partition& where = inside_->partition();
  const bool whole = std::ranges::all_of(keys, [&](std::string_view key) { return is_whole(where, key); });
  if (whole) return get_items(keys, load);
  std::vector<std::string> names(keys.size());
  std::ranges::transform(keys, names.begin(), [&](std::string_view key) { return item_name(where, key); });
  return get_items(std::vector<std::string_view>(names.begin(), names.end()), [&](std::vector<std::string> missing) {
    for (std::string& name : missing) name = std::string(chosen_name(name));
    return load(missing);
  });
}

std::vector<SharedCacheBase::Value> SharedCacheBase::get_items(std::span<const std::string_view> names,
                                                               const Load& load) {
  if (Context::Impl* const current = current_of(inside_->core)) {
    const Call call;
    ContextEnvironment environment(*current, inside_->in_all_namespaces);
    return inside_->cache.get(names, load, environment);
  }
  std::vector<Value> values;
  const auto context = ContextAccess::make(std::make_shared<Context::Impl>(inside_->core));
  run_in(context, [&] {
    ContextEnvironment environment(impl_of(*context), inside_->in_all_namespaces);
    values = inside_->cache.get(names, load, environment);
  });
  return values;
}

void SharedCacheBase::invalidate(std::vector<std::string> keys) {
  inside_->check_process();
  for (std::string& key : keys) key = item_name(inside_->partition(), key);
  // A value that is computed between this call and the commit would be that of before the commit.
  if (Context::Impl* const current = current_of(inside_->core); current != nullptr && current->in_transaction()) {
    current->on_commit.emplace_back([inside = inside_, keys = std::move(keys)] { inside->invalidate(keys); });
    return;
  }
  inside_->invalidate(keys);
}

void SharedCacheBase::clear() {
  inside_->check_process();
  inside_->cache.clear();
}

SharedCacheStats SharedCacheBase::stats() const {
  inside_->check_process();
  return inside_->cache.stats();
}

}  // namespace ndb::detail
