// SharedCache in its surroundings: contexts, batches, transactions.
#include "ndb/shared_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/read_wave.h"
#include "shared_cache/tagged_cache.h"

namespace ndb::detail {
namespace {

using context::Call;
using context::find_context;
using context::run_in;

// The thread's context, where it is one of the client.
Context::Impl* current_of(const std::shared_ptr<Client::Core>& core) {
  Context* const context = find_context();
  return context != nullptr && context->impl().core == core ? &context->impl() : nullptr;
}

class ContextSurroundings final : public shared_cache::Surroundings {
 public:
  explicit ContextSurroundings(Context::Impl& context) : context_(context) {}

  void read_tags(std::span<memcache::TagRead> tags) override {
    if (context_.gateway() == nullptr) return;
    auto state = std::make_shared<FutureState<void>>();
    context_.reads().tags(tags, [state] { state->set(Unit{}); });
    Future<void>(state).wait();
  }

  const shared_cache::Providing& providing() const override { return context_.providing; }

  // What is cached in the caller's context, or read in its transaction, may be older than the tag: the provider must
  // not see it.
  void apart(const shared_cache::Providing& providing, absl::FunctionRef<void()> provider) override {
    auto impl = std::make_shared<Context::Impl>(context_.core);
    impl->inherit(context_);
    impl->providing.insert(impl->providing.end(), providing.begin(), providing.end());
    run_in(std::make_shared<Context>(std::move(impl)), provider);
  }

 private:
  Context::Impl& context_;
};

}  // namespace

class SharedCacheBase::Inside {
 public:
  Inside(std::shared_ptr<Client::Core> of, SharedCacheOptions<Value> options)
      : core(std::move(of)), cache(std::move(options), *core->clock) {}

  void invalidate(const std::vector<std::string>& keys) {
    std::vector<std::string> tags(keys.size());
    std::ranges::transform(keys, tags.begin(), [&](const std::string& key) { return cache.tag_name(key); });
    const absl::Status status =
        core->gateway != nullptr ? core->gateway->reset_tags(tags, cache.new_tag_timeout()) : absl::OkStatus();
    cache.forget(keys);
    if (!status.ok()) throw_error(annotate(status, "invalidate in a SharedCache"));
  }

  const std::shared_ptr<Client::Core> core;
  shared_cache::TaggedCache cache;
};

SharedCacheBase::SharedCacheBase(const Client& client, SharedCacheOptions<Value> options)
    : inside_(std::make_shared<Inside>(client.core(), std::move(options))) {}
SharedCacheBase::~SharedCacheBase() = default;

bool SharedCacheBase::find_fresh(std::string_view key, Value& value) { return inside_->cache.find_fresh(key, value); }

std::vector<SharedCacheBase::Value> SharedCacheBase::get(std::span<const std::string_view> keys, const Load& load) {
  if (Context::Impl* const current = current_of(inside_->core)) {
    const Call call;
    ContextSurroundings around(*current);
    return inside_->cache.get(keys, load, around);
  }
  std::vector<Value> values;
  const auto context = std::make_shared<Context>(std::make_shared<Context::Impl>(inside_->core));
  run_in(context, [&] {
    ContextSurroundings around(context->impl());
    values = inside_->cache.get(keys, load, around);
  });
  return values;
}

void SharedCacheBase::invalidate(std::vector<std::string> keys) {
  // What is computed between this call and the commit would be of before.
  if (Context::Impl* const current = current_of(inside_->core); current != nullptr && current->in_transaction()) {
    current->on_commit.emplace_back([inside = inside_, keys = std::move(keys)] { inside->invalidate(keys); });
    return;
  }
  inside_->invalidate(keys);
}

void SharedCacheBase::clear() { inside_->cache.clear(); }
SharedCacheStats SharedCacheBase::stats() const { return inside_->cache.stats(); }

}  // namespace ndb::detail
