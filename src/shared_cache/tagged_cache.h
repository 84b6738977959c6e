// The process-wide cache, independent of types and contexts. Each value is kept with the tag that memcache had before
// it was computed, and is valid while memcache has that tag, which is then the gold version of the name.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/striped.h"
#include "memcache/tags.h"
#include "ndb/shared_cache.h"
#include "shared_cache/single_flight.h"
#include "shared_cache/store.h"

namespace ndb::shared_cache {

using Options = SharedCacheOptions<Value>;
using Load = detail::SharedCacheBase::Load;
using Loaded = detail::SharedCacheBase::Loaded;

// The part of the caller's context that a call needs.
class Environment {
 public:
  virtual ~Environment() = default;
  // Reads the tags in one batch with other pending reads, and waits. Without memcached the tags stay empty.
  virtual void read_tags(std::span<memcache::TagRead> tags) = 0;
  virtual const RunningProviders& running_providers() const = 0;
  // Runs `provider` in a context of its own, in which running_providers() returns `running_providers`.
  virtual void isolated(const RunningProviders& running_providers, absl::FunctionRef<void()> provider) = 0;
};

// A value as this process holds it.
struct Entry {
  Value value;
  memcache::Tag tag;
  Monotonic current{};  // start of the last read that found `tag` to be the gold version
  Monotonic renew = Monotonic::max(), expires = Monotonic::max();
  Monotonic retry{};  // the provider has failed after `expires`, and is not called again before this time
};

struct Counts {
  StripedCounter hits;
  std::atomic<std::uint64_t> validated{0}, misses{0}, loads{0}, provider_calls{0}, provider_errors{0}, joined{0},
      renewals{0}, discarded{0}, unreachable{0}, served_on_error{0}, invalidations{0};
};

// Thread-safe.
class TaggedCache {
 public:
  // BadArgumentError for an invalid option.
  TaggedCache(Options options, const Clock& clock);

  // Sets `value` and returns true if the cache has one that needs no check of its tag.
  bool find_fresh(std::string_view key, Value& value);
  // In the order of the keys. Throws what the provider throws.
  std::vector<Value> get(std::span<const std::string_view> keys, const Load& load, Environment& environment);

  std::string tag_name(std::string_view key) const;
  std::chrono::seconds new_tag_timeout() const;  // with jitter
  // Removes the entries of this process. Call it after the tags of the keys have been replaced.
  void forget(std::span<const std::string> keys);
  void clear() { store_.clear(); }
  Counts& counts() { return counts_; }
  SharedCacheStats stats() const;

 private:
  class Get;
  friend class Get;
  bool is_fresh(const Entry& entry, Monotonic now) const {
    return options_.max_staleness.count() > 0 && now - entry.current <= options_.max_staleness;
  }

  void log_failure(std::string_view key, const std::exception_ptr& error);

  const Options options_;
  const Clock& clock_;
  SharedStore<Entry> store_;
  SingleFlight single_flight_;
  Counts counts_;
  std::atomic<Monotonic::rep> next_log_{0};  // when log_failure() may log again
};

}  // namespace ndb::shared_cache
