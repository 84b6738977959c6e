// ndb::SharedCache: values of any type that all threads of a process share, current on every machine.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/client.h"
#include "ndb/stats.h"

namespace ndb {

// What get() does when memcached does not say whether a value is still current. The result is then not kept.
struct WhenUnreachable {
  // What the functions below stand for.
  enum class Action { kCallProvider, kServe, kFail };
  Action action = Action::kCallProvider;  // see the functions
  std::chrono::milliseconds bound{0};     // of kServe

  // Calls the provider each time. The default.
  static WhenUnreachable call_provider() { return {}; }
  // Serves a value that was known to be current at most this long ago; else calls the provider.
  static WhenUnreachable serve_within(std::chrono::milliseconds bound) { return {Action::kServe, bound}; }
  static WhenUnreachable fail() { return {Action::kFail, {}}; }  // Error with UNAVAILABLE
};

// Options of a SharedCache: what it keeps, for how long, and how stale a value may be.
template <class T>
struct SharedCacheOptions {
  // Caches of the same name share their invalidations, in all processes. Letters, digits, '.', '_' and '-'.
  std::string name{};
  // One set of values for all namespaces and databases, instead of one for each. Providers then run in the namespace
  // and database of the client.
  bool all_namespaces = false;
  std::chrono::milliseconds timeout{0};  // the life of a value, a random tenth less; 0 = unlimited
  std::size_t capacity = 10'000;         // values
  std::size_t capacity_bytes = SIZE_MAX;
  std::function<std::size_t(const T&)> size_of{};  // the bytes of a value, for capacity_bytes; default: sizeof(T)
  // A value that was known to be current at most this long ago is served without a look at its tag.
  std::chrono::milliseconds max_staleness{0};
  WhenUnreachable when_unreachable{};
  // When the provider throws: serves a value that has expired at most this long ago, unless it was invalidated. The
  // provider is then called once a second, and its exception is dropped. 0: the exception reaches all callers that ask
  // for the value.
  std::chrono::milliseconds max_stale_on_error{0};
  // Early renewal of values with a time-out: one caller calls the provider before the value expires, while all others
  // are served the old value. In durations of the last provider call, times a random number of mean 1. 0 = never.
  double early_refresh = 1;
  std::chrono::seconds tag_timeout = std::chrono::hours(24);  // of tags in memcached, at least 10 min; 0 = unlimited
};

namespace detail {

// SharedCache without its type.
class SharedCacheBase {
 public:
  using Value = std::shared_ptr<const void>;
  struct Loaded {
    Value value;
    std::size_t bytes = 0;
  };
  using Load = std::function<std::vector<Loaded>(const std::vector<std::string>& keys)>;

  SharedCacheBase(const Client& client, SharedCacheOptions<Value> options);
  ~SharedCacheBase();
  SharedCacheBase(const SharedCacheBase&) = delete;
  SharedCacheBase& operator=(const SharedCacheBase&) = delete;

  std::vector<Value> get(std::span<const std::string_view> keys, const Load& load);
  bool find_fresh(std::string_view key, Value& value);  // without any input or output
  void invalidate(std::vector<std::string> keys);
  void clear();
  SharedCacheStats stats() const;

 private:
  class Inside;
  std::vector<Value> get_items(std::span<const std::string_view> names, const Load& load);

  std::shared_ptr<Inside> inside_;  // shared with callbacks of transactions
};

}  // namespace detail

// Values by key, kept in this process and shared by its threads. memcached holds a tag, random bytes, for each key. A
// value is served as long as its tag is the one under which it was stored; invalidate() replaces the tag and so
// invalidates the copies of all processes on all machines. No get() returns a value that was computed before an
// invalidation which had ended when the get began, except as `max_staleness` and `serve_within` allow. A tag that
// memcached has lost costs a call of the provider, never a stale value.
//
// A value belongs to the namespace and database of the context that asks for it or invalidates it; those of the client
// if the thread has no context of this client. The same key has other values in others.
//
// A provider runs in a context of its own with an empty cache, outside any transaction, and once per key and process
// however many threads ask. If it throws, all of them get the exception and nothing is kept, unless
// `max_stale_on_error` lets the old value be served. Providers may use other keys and caches; a provider that waits for
// itself gets BadRequestError. Without memcached_hosts nothing is kept.
//
//   ndb::SharedCache<Config> configs(client, {.name = "configs", .timeout = 10min});
//   std::shared_ptr<const Config> config = configs.get("site", [] { return load_config(); });
//
// Thread-safe; needs no context, but in one the tags are read in one batch with everything else that is pending.
template <class T>
class SharedCache {
 public:
  // Values are never changed: all threads see the same object, which lives as long as somebody holds it.
  using Pointer = std::shared_ptr<const T>;

  // BadArgumentError for an option that makes no sense.
  explicit SharedCache(const Client& client, SharedCacheOptions<T> options = {})
      : size_of_(std::move(options.size_of)),
        base_(client, {.name = std::move(options.name),
                       .all_namespaces = options.all_namespaces,
                       .timeout = options.timeout,
                       .capacity = options.capacity,
                       .capacity_bytes = options.capacity_bytes,
                       .max_staleness = options.max_staleness,
                       .when_unreachable = options.when_unreachable,
                       .max_stale_on_error = options.max_stale_on_error,
                       .early_refresh = options.early_refresh,
                       .tag_timeout = options.tag_timeout}) {}

  // The value of `key`: a kept one, or the result of `provider`, which takes the key, or nothing, and returns a T or a
  // shared_ptr<const T>; that may be null, and so may the result. Throws what the provider throws, and Error with
  // UNAVAILABLE where `when_unreachable` says so.
  template <class Provider>
  Pointer get(std::string_view key, Provider&& provider) {
    detail::SharedCacheBase::Value found;
    if (!base_.find_fresh(key, found)) {
      const auto load = [&](const std::vector<std::string>& keys) {
        std::vector<Loaded> loaded;
        if constexpr (std::invocable<Provider&, const std::string&>) {
          loaded.push_back(hold(provider(keys.front())));
        } else {
          loaded.push_back(hold(provider()));
        }
        return loaded;
      };
      found = std::move(base_.get({&key, 1}, load).front());
    }
    return std::static_pointer_cast<const T>(std::move(found));
  }

  // The values in the order of `keys`, which may contain a key twice. `provider` takes a vector of the missing keys and
  // returns as many values, in their order (BadValueError if not). Throws as get() does; if the provider throws, none
  // of the values for which it was called is kept.
  template <class Provider>
  std::vector<Pointer> get_multi(const std::vector<std::string>& keys, Provider&& provider) {
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const auto load = [&](const std::vector<std::string>& missing) {
      std::vector<Loaded> loaded;
      for (auto&& value : provider(missing)) loaded.push_back(hold(std::forward<decltype(value)>(value)));
      return loaded;
    };
    std::vector<Pointer> values;
    for (detail::SharedCacheBase::Value& value : base_.get(views, load)) {
      values.push_back(std::static_pointer_cast<const T>(std::move(value)));
    }
    return values;
  }

  // After it has returned, no get() that begins is served a value computed before, in any process. In a transaction it
  // takes effect after the commit, and not at all if there is none; if the outcome of the commit is unknown, invalidate
  // once more. Error with UNAVAILABLE if memcached does not confirm: other processes may then still serve their copies,
  // until their time-out.
  void invalidate(std::string_view key) { base_.invalidate({std::string(key)}); }
  void invalidate_multi(std::vector<std::string> keys) { base_.invalidate(std::move(keys)); }

  // Drops the values of this process, and nothing else.
  void clear() { base_.clear(); }
  SharedCacheStats stats() const { return base_.stats(); }

 private:
  using Loaded = detail::SharedCacheBase::Loaded;
  template <class V>
  Loaded hold(V&& value) const {
    Pointer pointer;
    if constexpr (std::convertible_to<V, Pointer>) {
      pointer = std::forward<V>(value);
    } else {
      pointer = std::make_shared<const T>(std::forward<V>(value));
    }
    const std::size_t bytes = pointer == nullptr ? 0 : size_of_ ? size_of_(*pointer) : sizeof(T);
    return {std::move(pointer), bytes};
  }

  std::function<std::size_t(const T&)> size_of_;
  detail::SharedCacheBase base_;
};

}  // namespace ndb
