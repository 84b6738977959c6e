#include "ndb/context.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "context/context_impl.h"
#include "context/item_names.h"
#include "context/raw_batch.h"
#include "context/time_left.h"
#include "memcache/time_limit.h"

namespace ndb {
namespace {

using context::Call;

std::string name_in(const Context& context, std::string_view key) {
  return context::item_name(impl_of(context).partition(), key);
}

std::optional<bool> ask_class(const Key& key, detail::ClassFlag<bool> detail::ModelInfo::* flag) {
  if (!key) return std::nullopt;
  const detail::ModelInfo* info = value_or_throw(detail::find_model(key.kind()));
  return info != nullptr ? (info->*flag)(key) : std::nullopt;
}

std::chrono::seconds seconds_of(const Timeout& time, std::string_view key) {
  if (time.milliseconds.count() < 0 || time.milliseconds % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
    throw BadValueError(cat("memcache time of ", quoted(key), " must be whole seconds, 0 (unlimited) or more, but is ",
                            time.milliseconds.count(), " ms"));
  }
  return std::chrono::duration_cast<std::chrono::seconds>(time.milliseconds);
}

// Adds a command that is not a get to the open batch. Without memcached the result is T(): false, or nothing.
template <class T, class Command>
Future<T> run_raw(const Context& context, Command command) {
  Context::Impl& impl = impl_of(context);
  impl.check_thread();
  const Call call(impl);
  throw_if_error(context::check(impl.rpc({}).bounds.get()));
  throw_if_error(impl.core->use());
  auto state = std::make_shared<detail::FutureState<T>>();
  if (impl.gateway() == nullptr) {
    state->set(T());
  } else {
    impl.end_with_call(state);
    impl.raw().run(
        [state, command = std::move(command)](memcache::Gateway& gateway) { state->set(T(command(gateway))); });
  }
  return Future<T>(state);
}

template <class T, class Convert>
Future<std::optional<T>> get_raw(const Context& context, std::string_view key, Convert convert) {
  Context::Impl& impl = impl_of(context);
  impl.check_thread();
  const Call call(impl);
  throw_if_error(context::check(impl.rpc({}).bounds.get()));
  throw_if_error(impl.core->use());
  auto state = std::make_shared<detail::FutureState<std::optional<T>>>();
  if (impl.gateway() == nullptr) {
    state->set(std::optional<T>());
  } else {
    impl.get_raw(name_in(context, key), [state, convert](std::optional<memcache::RawItem> item) {
      state->set(item ? std::optional<T>(convert(*std::move(item))) : std::nullopt);
    });
  }
  return Future<std::optional<T>>(state);
}

Future<bool> store_raw(const Context& context, memcache::Gateway::RawStore how, std::string_view key,
                       std::string_view value, Timeout time) {
  return run_raw<bool>(context,
                       [how, key = name_in(context, key), value = std::string(value), seconds = seconds_of(time, key)](
                           memcache::Gateway& gateway) { return gateway.raw_store(how, key, value, seconds); });
}

Future<std::optional<std::uint64_t>> add_raw(const Context& context, std::string_view key, std::uint64_t delta, bool up,
                                             std::optional<std::uint64_t> initial) {
  if (delta > static_cast<std::uint64_t>(INT64_MAX)) {
    throw BadArgumentError(cat("memcache delta of ", quoted(key), " must be below 2^63, but is ", delta));
  }
  const auto by = up ? static_cast<std::int64_t>(delta) : -static_cast<std::int64_t>(delta);
  return run_raw<std::optional<std::uint64_t>>(context,
                                               [by, key = name_in(context, key), initial](memcache::Gateway& gateway) {
                                                 return gateway.raw_add_number(key, by, initial);
                                               });
}

}  // namespace

Context::Context(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::~Context() = default;

void Context::set_cache_policy(FlagPolicy policy) {
  impl_->check_settings("set_cache_policy");
  impl_->policies.cache = std::move(policy);
}
void Context::set_memcache_policy(FlagPolicy policy) {
  impl_->check_settings("set_memcache_policy");
  impl_->policies.memcache = std::move(policy);
}
void Context::set_datastore_policy(FlagPolicy policy) {
  impl_->check_settings("set_datastore_policy");
  impl_->policies.datastore = std::move(policy);
}
void Context::set_memcache_timeout_policy(TimeoutPolicy policy) {
  impl_->check_settings("set_memcache_timeout_policy");
  impl_->policies.timeout = std::move(policy);
}
void Context::set_shared_cache_policy(FlagPolicy policy) {
  impl_->check_settings("set_shared_cache_policy");
  impl_->policies.shared = std::move(policy);
}
const FlagPolicy& Context::get_cache_policy() const { return impl_->policies.cache; }
const FlagPolicy& Context::get_memcache_policy() const { return impl_->policies.memcache; }
const FlagPolicy& Context::get_datastore_policy() const { return impl_->policies.datastore; }
const TimeoutPolicy& Context::get_memcache_timeout_policy() const { return impl_->policies.timeout; }
const FlagPolicy& Context::get_shared_cache_policy() const { return impl_->policies.shared; }

std::optional<bool> Context::default_cache_policy(const Key& key) {
  return ask_class(key, &detail::ModelInfo::use_cache);
}
std::optional<bool> Context::default_memcache_policy(const Key& key) {
  return ask_class(key, &detail::ModelInfo::use_memcache);
}
std::optional<bool> Context::default_datastore_policy(const Key& key) {
  return ask_class(key, &detail::ModelInfo::use_datastore);
}
std::optional<bool> Context::default_shared_cache_policy(const Key& key) {
  return ask_class(key, &detail::ModelInfo::use_shared_cache);
}
std::optional<std::chrono::seconds> Context::default_memcache_timeout_policy(const Key& key) {
  if (!key) return std::nullopt;
  const detail::ModelInfo* info = value_or_throw(detail::find_model(key.kind()));
  const std::optional<Timeout> timeout = info != nullptr ? info->memcache_timeout(key) : std::nullopt;
  if (!timeout) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(timeout->milliseconds);
}

void Context::cancel() {
  if (impl_->implicit)
    throw ContextError("cancel: this thread has no scope, and so no request that could be cancelled");
  impl_->bounds->cancel("Context::cancel() was called");
}

void Context::clear_cache() {
  impl_->check_thread();
  impl_->cache.clear();
}

void Context::set_cache_limit(std::size_t entries, std::size_t bytes) {
  impl_->check_settings("set_cache_limit");
  if (entries == 0 || bytes == 0) {
    throw BadArgumentError(
        "set_cache_limit: a limit must be more than 0; use set_cache_policy(false) to cache nothing");
  }
  impl_->cache.set_limit(entries, bytes);
}

std::size_t Context::cache_size() const {
  impl_->check_thread();
  return impl_->cache.size();
}

void Context::flush() {
  const std::shared_ptr<Impl> impl = impl_;  // impl_ may be replaced while this waits
  impl->check_thread();
  throw_if_error(impl->drain());
}

void Context::invalidate(std::span<const Key> keys) {
  impl_->check_thread();
  throw_if_error(impl_->core->use());
  std::vector<Key> whole;
  for (const Key& key : keys) {
    whole.push_back(value_or_throw(impl_->qualify(key)));
    if (!whole.back().is_complete()) {
      throw BadKeyError(cat("invalidate of ", key.to_string(), ": the key is incomplete and names no entity"));
    }
  }
  // Invalidated too, because the context around a transaction is used again after it.
  Context* const around = static_cast<Context*>(impl_->outer.get());
  for (const Key& key : whole) {
    impl_->cache.invalidate(key);
    if (around != nullptr) impl_of(*around).cache.invalidate(key);
  }
  if (impl_->gateway() == nullptr) return;
  ++impl_->counts().memcache_writes;
  const memcache::TimeLimit limit(context::time_to_release(impl_->rpc({}).bounds.get()));
  throw_if_error(impl_->gateway()->invalidate(whole));
}

const std::string& Context::namespace_() const { return *impl_->partition().namespace_; }
const std::string& Context::database() const { return *impl_->partition().database; }

bool Context::in_transaction() const { return impl_->in_transaction(); }

void Context::call_on_commit(std::function<void()> callback) {
  impl_->check_thread();
  if (impl_->in_transaction()) {
    impl_->on_commit.push_back(std::move(callback));
  } else {
    callback();
  }
}

void Context::call_on_transaction_complete(std::function<void()> callback) {
  impl_->check_thread();
  if (impl_->in_transaction()) {
    impl_->on_complete.push_back(std::move(callback));
  } else {
    callback();
  }
}

Future<std::optional<std::string>> Context::memcache_get_async(std::string_view key) {
  return get_raw<std::string>(*this, key, [](memcache::RawItem item) { return std::move(item.value); });
}
Future<std::optional<Context::MemcacheItem>> Context::memcache_gets_async(std::string_view key) {
  return get_raw<MemcacheItem>(
      *this, key, [](memcache::RawItem item) { return MemcacheItem{std::move(item.value), {item.token}}; });
}
Future<bool> Context::memcache_set_async(std::string_view key, std::string_view value, Timeout time) {
  return store_raw(*this, memcache::Gateway::RawStore::kSet, key, value, time);
}
Future<bool> Context::memcache_add_async(std::string_view key, std::string_view value, Timeout time) {
  return store_raw(*this, memcache::Gateway::RawStore::kAdd, key, value, time);
}
Future<bool> Context::memcache_replace_async(std::string_view key, std::string_view value, Timeout time) {
  return store_raw(*this, memcache::Gateway::RawStore::kReplace, key, value, time);
}
Future<bool> Context::memcache_cas_async(std::string_view key, std::string_view value, MemcacheToken token,
                                         Timeout time) {
  return run_raw<bool>(*this,
                       [key = name_in(*this, key), value = std::string(value), token, seconds = seconds_of(time, key)](
                           memcache::Gateway& gateway) { return gateway.raw_cas(key, value, token.value, seconds); });
}
Future<bool> Context::memcache_delete_async(std::string_view key) {
  return run_raw<bool>(*this,
                       [key = name_in(*this, key)](memcache::Gateway& gateway) { return gateway.raw_delete(key); });
}
Future<std::optional<std::uint64_t>> Context::memcache_incr_async(std::string_view key, std::uint64_t delta,
                                                                  std::optional<std::uint64_t> initial) {
  return add_raw(*this, key, delta, true, initial);
}
Future<std::optional<std::uint64_t>> Context::memcache_decr_async(std::string_view key, std::uint64_t delta,
                                                                  std::optional<std::uint64_t> initial) {
  return add_raw(*this, key, delta, false, initial);
}

const TierCounts& Context::counts() const { return impl_->counts(); }

}  // namespace ndb
