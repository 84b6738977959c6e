// ndb::Context: what a thread, or a transaction, knows and has under way.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ndb/future.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/policy.h"
#include "ndb/stats.h"

namespace ndb {

class Client;

// One per thread and one per transaction; a new one starts empty. Get it by ndb::get_context(), keep it in no variable
// that another thread sees: every call on it from another thread throws ContextError.
class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  // The four policies of NDB. For each call the first answer wins: the call's option, the policy, the client's default,
  // true (for the time-out: unlimited). And one for the entities that all threads of the process share, which are
  // served where memcache is used and confirms their version: the same, but false in the end.
  void set_cache_policy(FlagPolicy policy);
  void set_memcache_policy(FlagPolicy policy);
  void set_datastore_policy(FlagPolicy policy);
  void set_memcache_timeout_policy(TimeoutPolicy policy);
  void set_shared_cache_policy(FlagPolicy policy);
  const FlagPolicy& get_cache_policy() const;
  const FlagPolicy& get_memcache_policy() const;
  const FlagPolicy& get_datastore_policy() const;
  const TimeoutPolicy& get_memcache_timeout_policy() const;
  const FlagPolicy& get_shared_cache_policy() const;

  // The default policies: the answer of the key's model class (`_use_cache`, `_use_memcache`, `_use_datastore`,
  // `_memcache_timeout`, `_use_shared_cache`), nullopt if it has none or the kind has no class. KindError if two
  // classes of the kind disagree.
  static std::optional<bool> default_cache_policy(const Key& key);
  static std::optional<bool> default_memcache_policy(const Key& key);
  static std::optional<bool> default_datastore_policy(const Key& key);
  static std::optional<std::chrono::seconds> default_memcache_timeout_policy(const Key& key);
  static std::optional<bool> default_shared_cache_policy(const Key& key);

  // Empties the in-context cache, and nothing else.
  void clear_cache();
  // Bounds the in-context cache; the least recently used entities leave it. Unlimited by default.
  void set_cache_limit(std::size_t entries, std::size_t bytes = SIZE_MAX);
  std::size_t cache_size() const;

  // Sends everything that is pending and waits until nothing is under way. Errors stay in the futures concerned; what
  // has no future left that could tell (a put_async nobody kept) is thrown here.
  void flush();

  // What any tier holds of the keys is no longer served, here or by memcache: for entities that were written by
  // something else than this framework. Error if memcache did not answer.
  void invalidate(std::span<const Key> keys);
  void invalidate(const Key& key) { invalidate(std::span(&key, 1)); }

  bool in_transaction() const;
  // In a transaction: runs `callback` after a successful commit, in order, whatever those before it have thrown: the
  // first error then goes to the caller. Outside: now.
  void call_on_commit(std::function<void()> callback);
  // In a transaction: runs `callback` when this attempt at it has ended, committed or not, in order, after what
  // call_on_commit() was given. Outside: now.
  void call_on_transaction_complete(std::function<void()> callback);

  // Raw memcache, batched with everything else that is pending. The keys are the caller's own, apart from entities.
  // Network errors give nullopt or false and never throw. Times are seconds from now; 0 = unlimited. incr and decr
  // count in decimal text, decr not below 0; a missing key gives nullopt, or with `initial` counts from there.
  struct MemcacheToken {  // opaque; from memcache_gets, for memcache_cas
    std::uint64_t value = 0;
  };
  struct MemcacheItem {
    std::string value;
    MemcacheToken token;
  };
  Future<std::optional<std::string>> memcache_get_async(std::string_view key);
  Future<std::optional<MemcacheItem>> memcache_gets_async(std::string_view key);
  Future<bool> memcache_set_async(std::string_view key, std::string_view value, Timeout time = 0);
  Future<bool> memcache_add_async(std::string_view key, std::string_view value, Timeout time = 0);
  Future<bool> memcache_replace_async(std::string_view key, std::string_view value, Timeout time = 0);
  Future<bool> memcache_cas_async(std::string_view key, std::string_view value, MemcacheToken token, Timeout time = 0);
  Future<bool> memcache_delete_async(std::string_view key);
  Future<std::optional<std::uint64_t>> memcache_incr_async(std::string_view key, std::uint64_t delta = 1,
                                                           std::optional<std::uint64_t> initial = std::nullopt);
  Future<std::optional<std::uint64_t>> memcache_decr_async(std::string_view key, std::uint64_t delta = 1,
                                                           std::optional<std::uint64_t> initial = std::nullopt);
  std::optional<std::string> memcache_get(std::string_view key) { return memcache_get_async(key).get(); }
  std::optional<MemcacheItem> memcache_gets(std::string_view key) { return memcache_gets_async(key).get(); }
  bool memcache_set(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_set_async(key, value, time).get();
  }
  bool memcache_add(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_add_async(key, value, time).get();
  }
  bool memcache_replace(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_replace_async(key, value, time).get();
  }
  bool memcache_cas(std::string_view key, std::string_view value, MemcacheToken token, Timeout time = 0) {
    return memcache_cas_async(key, value, token, time).get();
  }
  bool memcache_delete(std::string_view key) { return memcache_delete_async(key).get(); }
  std::optional<std::uint64_t> memcache_incr(std::string_view key, std::uint64_t delta = 1,
                                             std::optional<std::uint64_t> initial = std::nullopt) {
    return memcache_incr_async(key, delta, initial).get();
  }
  std::optional<std::uint64_t> memcache_decr(std::string_view key, std::uint64_t delta = 1,
                                             std::optional<std::uint64_t> initial = std::nullopt) {
    return memcache_decr_async(key, delta, initial).get();
  }

  const TierCounts& counts() const;

  // The context's inside, for the rest of the framework.
  class Impl;
  Impl& impl() const { return *impl_; }
  explicit Context(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

// The context of this thread, or of the transaction or tasklet that is running on it. Opened by client.context();
// without one, the process default client's (see set_default_client), which is emptied when the outermost call on it
// ends. ContextError if there is neither.
Context& get_context();

}  // namespace ndb
