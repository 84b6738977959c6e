// ndb::Context: the cache, the policies and the calls under way of one scope or transaction.
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

namespace detail {
struct ContextAccess;
}

// One per scope and one per transaction; a new one starts empty. ndb::get_context() gives it; do not keep it where
// another thread sees it. Every call on it from another thread, or after its scope or transaction has ended, throws
// ContextError; so do calls on the context of a thread without a scope once the process's default client has changed.
class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  // The four policies of NDB. For each call the first answer wins: the call's option, the policy, the client's default,
  // true (for the time-out: unlimited). A fifth policy is for the entities that all threads of the process share, which
  // are served where memcache is used and confirms their version: the same, but with false at the end.
  //
  // A policy is in force from the next call until the context ends. The context of a thread without a scope serves
  // everything that the thread does later, so to set a policy there, or a cache limit, is a ContextError.
  void set_cache_policy(FlagPolicy policy);
  void set_memcache_policy(FlagPolicy policy);
  void set_datastore_policy(FlagPolicy policy);
  void set_memcache_timeout_policy(TimeoutPolicy policy);
  void set_shared_cache_policy(FlagPolicy policy);
  // The policies that were set. Each reference is valid until that policy is set again.
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

  // Cancels the request that the context serves, also when called on the context of one of its transactions. What waits
  // ends with Cancelled, its RPCs are cancelled on the wire, tasklets unwind, and from then on every call of the
  // context fails at once. A write whose Commit had not been sent is not made; of one that was sent the outcome is
  // unknown. The second call does nothing.
  //
  // May be called from any thread, unlike all other functions, while the scope is open; a std::stop_source whose token
  // is in ContextOptions::stop may outlive it. ContextError for the context of a thread without a scope.
  void cancel();

  // Empties the in-context cache, and nothing else.
  void clear_cache();
  // Bounds the in-context cache: the least recently used entities leave it. `bytes` are those of the decoded entities,
  // estimated. Unlimited by default; BadArgumentError for 0.
  void set_cache_limit(std::size_t entries, std::size_t bytes = SIZE_MAX);
  std::size_t cache_size() const;  // in entities, those that are known to be absent included

  // Sends everything that is pending and waits until nothing is under way. Errors stay in the futures concerned; an
  // error that no future is left to report (of a put_async nobody kept) is thrown here.
  void flush();

  // Makes this context and memcache drop what they hold of the keys. For entities that something other than this
  // framework has written. BadKeyError for an incomplete key; Error with UNAVAILABLE if memcache did not answer, in
  // which case it may still serve what it holds.
  void invalidate(std::span<const Key> keys);
  void invalidate(const Key& key) { invalidate(std::span(&key, 1)); }

  // The namespace and database of keys that name none. "" is the default one.
  const std::string& namespace_() const;
  const std::string& database() const;

  // Whether it is the context of a transaction.
  bool in_transaction() const;

  // In a transaction: runs `callback` after a successful commit, in the order of the calls, also if an earlier callback
  // has thrown; the first error then goes to the caller. Outside: now.
  void call_on_commit(std::function<void()> callback);
  // In a transaction: runs `callback` when this attempt has ended, committed or not; in the order of the calls, and
  // after the callbacks of call_on_commit(). Outside: now.
  void call_on_transaction_complete(std::function<void()> callback);

  // ---- Raw memcache: the caller's own items, apart from entities. ----
  //
  // Keys may be any bytes; the record's key in memcached is derived from them, so that other programs do not find the
  // items under their plain names. An item belongs to the namespace and database of its context; in others, the same
  // key is that of another item. `time` is the life of an item in whole seconds from now, 0 = until memcached evicts
  // it; BadValueError if it is negative or has fractions. Commands are sent in the order in which they were given, in
  // one batch with everything else that is pending, when the thread next waits; in a thread without a scope when the
  // outermost call ends. A server that does not answer is no error: the result says "no" (nullopt or false), and the
  // item may or may not have been changed. The same without memcached_hosts. ContextError on another thread than the
  // context's, and after its end. The plain forms wait for the async ones.

  // Identifies the state in which memcache_gets() has seen an item. Opaque.
  struct MemcacheToken {
    std::uint64_t value = 0;  // memcached's CAS unique
  };
  // An item as memcache_gets() has seen it.
  struct MemcacheItem {
    std::string value;    // its bytes
    MemcacheToken token;  // for memcache_cas()
  };
  // The value of the item; nullopt if there is none.
  Future<std::optional<std::string>> memcache_get_async(std::string_view key);
  std::optional<std::string> memcache_get(std::string_view key) { return memcache_get_async(key).get(); }

  // The same with a token for memcache_cas().
  Future<std::optional<MemcacheItem>> memcache_gets_async(std::string_view key);
  std::optional<MemcacheItem> memcache_gets(std::string_view key) { return memcache_gets_async(key).get(); }

  // Stores the item, whether or not there is one. True: stored.
  Future<bool> memcache_set_async(std::string_view key, std::string_view value, Timeout time = 0);
  bool memcache_set(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_set_async(key, value, time).get();
  }

  // Stores the item unless it exists. True: stored; false: it exists, or the server did not answer.
  Future<bool> memcache_add_async(std::string_view key, std::string_view value, Timeout time = 0);
  bool memcache_add(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_add_async(key, value, time).get();
  }

  // Stores the item if it exists. True: stored; false: it does not exist, or the server did not answer.
  Future<bool> memcache_replace_async(std::string_view key, std::string_view value, Timeout time = 0);
  bool memcache_replace(std::string_view key, std::string_view value, Timeout time = 0) {
    return memcache_replace_async(key, value, time).get();
  }

  // Compare and swap: stores the item if it has not changed since memcache_gets() gave the token to this thread. True:
  // stored; false: it was changed or deleted since, or the server did not answer.
  Future<bool> memcache_cas_async(std::string_view key, std::string_view value, MemcacheToken token, Timeout time = 0);
  bool memcache_cas(std::string_view key, std::string_view value, MemcacheToken token, Timeout time = 0) {
    return memcache_cas_async(key, value, token, time).get();
  }

  // Deletes the item. True: it existed.
  Future<bool> memcache_delete_async(std::string_view key);
  bool memcache_delete(std::string_view key) { return memcache_delete_async(key).get(); }

  // Adds `delta` to an item that holds a decimal number, modulo 2^64, and gives the sum. nullopt if the item is missing
  // or no number; with `initial`, a missing item is set to that, which is then the result. BadArgumentError for a delta
  // of 2^63 or more. The item keeps its expiry time.
  Future<std::optional<std::uint64_t>> memcache_incr_async(std::string_view key, std::uint64_t delta = 1,
                                                           std::optional<std::uint64_t> initial = std::nullopt);
  std::optional<std::uint64_t> memcache_incr(std::string_view key, std::uint64_t delta = 1,
                                             std::optional<std::uint64_t> initial = std::nullopt) {
    return memcache_incr_async(key, delta, initial).get();
  }

  // Subtracts `delta` likewise, but not below 0.
  Future<std::optional<std::uint64_t>> memcache_decr_async(std::string_view key, std::uint64_t delta = 1,
                                                           std::optional<std::uint64_t> initial = std::nullopt);
  std::optional<std::uint64_t> memcache_decr(std::string_view key, std::uint64_t delta = 1,
                                             std::optional<std::uint64_t> initial = std::nullopt) {
    return memcache_decr_async(key, delta, initial).get();
  }

  // What the tiers have done for this context so far, its transactions included. Valid as long as the context.
  const TierCounts& counts() const;

  class Impl;  // the framework's

 private:
  friend struct detail::ContextAccess;
  explicit Context(std::shared_ptr<Impl> impl);

  std::shared_ptr<Impl> impl_;
};

// The context of this thread, or of the transaction or tasklet that is running on it: of the scope that
// client.context() opened, else the thread's own for the process's default client (see set_default_client).
// ContextError if there is neither. The reference is valid until the scope or transaction ends, or, without a scope,
// until the thread does.
Context& get_context();

}  // namespace ndb
