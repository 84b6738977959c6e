#include "shared_cache/tagged_cache.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <exception>
#include <functional>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "ndb/error.h"

namespace ndb::shared_cache {
namespace {

using std::chrono::seconds;

// Items with shorter times are in the class that memcached never evicts, which is reserved for locks
// (docs/consistency.md).
constexpr seconds kShortestTagTimeout{600};
// How long a provider that has failed is not called again while there is a value to serve.
constexpr seconds kRetryPause{1};
constexpr seconds kLogEvery{60};

// A random number between 0 and 1, both excluded.
double random_fraction() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(1e-9, 1.0 - 1e-9)(random);
}

// For ever, as far as options go. Twice as long still has room in nanoseconds beside the present time.
constexpr std::chrono::hours kForEver{24 * 366 * 100};

template <class Duration>
Duration scaled(Duration duration, double factor) {
  const auto product = std::chrono::duration<double, typename Duration::period>(duration) * factor;
  return product < 2 * kForEver ? std::chrono::duration_cast<Duration>(product) : Duration(2 * kForEver);
}

// With times that can be added to others.
Options bounded(Options options) {
  const auto bound = [](auto& time) { time = std::min<std::remove_reference_t<decltype(time)>>(time, kForEver); };
  bound(options.timeout);
  bound(options.max_staleness);
  bound(options.max_stale_on_error);
  bound(options.when_unreachable.bound);
  bound(options.tag_timeout);
  return options;
}

absl::Status check(const Options& options) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (options.name.find_first_not_of(kAllowed) != std::string::npos) {
    return bad_argument(
        cat("the name of a SharedCache has letters, digits, '.', '_' and '-' only, but is ", quoted(options.name)));
  }
  if (options.capacity == 0 || options.capacity > SharedStore<Entry>::kMostEntries || options.capacity_bytes == 0) {
    return bad_argument(cat("SharedCache ", quoted(options.name), ": capacity must be 1 to ",
                            SharedStore<Entry>::kMostEntries, " and capacity_bytes more than 0, but they are ",
                            options.capacity, " and ", options.capacity_bytes));
  }
  if (options.timeout.count() < 0 || options.max_staleness.count() < 0 || options.when_unreachable.bound.count() < 0 ||
      options.max_stale_on_error.count() < 0 || !(options.early_refresh >= 0 && options.early_refresh <= 1000)) {
    return bad_argument(
        cat("SharedCache ", quoted(options.name),
            ": timeout, max_staleness, max_stale_on_error and the bound of serve_within must not be negative, and "
            "early_refresh must be 0 to 1000"));
  }
  if (options.tag_timeout != seconds(0) && options.tag_timeout < kShortestTagTimeout) {
    return bad_argument(cat("SharedCache ", quoted(options.name), ": tag_timeout must be 0 (unlimited) or at least ",
                            kShortestTagTimeout.count(), " s, but is ", options.tag_timeout.count(), " s"));
  }
  return absl::OkStatus();
}

}  // namespace

// One call of get(): searches the entries, then reads the tags of those that may not be served without that, then calls
// the provider for the rest, or waits for callers that do. Every value that it returns was computed, or had its tag
// confirmed, after this call began.
class TaggedCache::Get {
 public:
  Get(TaggedCache& cache, std::span<const std::string_view> keys, const Load& load, Environment& environment)
      : cache_(cache),
        load_(load),
        environment_(environment),
        began_(cache.single_flight_.now()),
        now_(cache.clock_.monotonic()) {
    items_.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) items_[i] = {.key = keys[i], .hash = seeded_hash(keys[i])};
  }

  std::vector<Value> run() {
    look();
    read_tags();
    // The second time flights that are under way began after this call did. There is a third time only where the
    // request of their leader ended before its provider did.
    do {
      claim();
      lead();
      wait();
    } while (std::ranges::any_of(items_, [](const Item& item) { return item.need == Need::kLoad; }));
    std::vector<Value> values;
    values.reserve(items_.size());
    for (Item& item : items_) {
      assert(item.need == Need::kNothing);
      values.push_back(std::move(item.value));
    }
    return values;
  }

 private:
  using Part = SingleFlight::Claim::Part;
  enum class Need {
    kTag,      // its tag must be read
    kLoad,     // its provider must be called
    kRenewal,  // the same, but a value may be served meanwhile
    kNothing,  // `value` is set
  };
  struct Item {
    std::string_view key;
    std::size_t hash = 0;
    Need need = Need::kTag;
    std::optional<Entry> entry{};    // not expired
    std::optional<Entry> expired{};  // expired not long ago: served if the provider fails
    std::optional<memcache::Tag> tag{};
    bool renewal_due = false;
    SingleFlight::Claim claim{};
    Value value{};

    void serve(Value found) {
      value = std::move(found);
      need = Need::kNothing;
    }
  };

  void look();
  void read_tags();
  void judge(Item& item);
  void unreachable(Item& item);
  void claim();
  void take_if_finished(Item& item);
  void lead();
  void load(std::span<Item*> led);
  void keep(std::span<Item*> led, std::span<Loaded> loaded, std::chrono::nanoseconds took);
  void fail(std::span<Item*> led, const std::exception_ptr& error);
  void serve_expired(Item& item);
  void wait();

  TaggedCache& cache_;
  const Load& load_;
  Environment& environment_;
  const std::uint64_t began_;
  const Monotonic now_;
  std::vector<Item> items_;
};

void TaggedCache::Get::look() {
  for (Item& item : items_) {
    cache_.store_.visit(item.key, item.hash, [&](Entry& entry) {
      if (now_ >= entry.expires) {
        if (now_ - entry.expires < cache_.options_.max_stale_on_error) item.expired = entry;
        return;
      }
      item.renewal_due = now_ >= entry.renew;
      entry.renew = item.renewal_due ? Monotonic::max() : entry.renew;  // nobody else renews it
      item.entry = entry;
    });
    if (item.entry && cache_.is_fresh(*item.entry, now_) && !item.renewal_due) {
      ++cache_.counts_.hits;
      item.serve(item.entry->value);
    }
  }
}

void TaggedCache::Get::read_tags() {
  std::vector<memcache::TagRead> reads;
  std::vector<Item*> of;
  for (Item& item : items_) {
    if (item.need != Need::kTag) continue;
    reads.push_back({.name = cache_.tag_name(item.key), .timeout = cache_.new_tag_timeout()});
    of.push_back(&item);
  }
  if (reads.empty()) return;
  environment_.read_tags(reads);
  for (std::size_t i = 0; i < of.size(); ++i) {
    of[i]->tag = reads[i].tag;
    judge(*of[i]);
  }
}

void TaggedCache::Get::judge(Item& item) {
  if (!item.tag) return unreachable(item);
  if (!item.entry || item.entry->tag != *item.tag) {
    ++cache_.counts_.misses;
    item.need = Need::kLoad;
    if (item.expired && item.expired->tag != *item.tag) item.expired = std::nullopt;  // it was invalidated
    if (item.expired && now_ < item.expired->retry) serve_expired(item);
    return;
  }
  cache_.store_.visit(item.key, item.hash, [&](Entry& entry) {
    if (entry.tag == *item.tag) entry.current = std::max(entry.current, now_);
  });
  if (item.renewal_due) {
    item.need = Need::kRenewal;
  } else {
    ++cache_.counts_.validated;
    item.serve(item.entry->value);
  }
}

void TaggedCache::Get::unreachable(Item& item) {
  ++cache_.counts_.unreachable;
  if (item.entry && cache_.is_fresh(*item.entry, now_))
    return item.serve(item.entry->value);  // it can be renewed later
  const WhenUnreachable& what = cache_.options_.when_unreachable;
  if (what.action == WhenUnreachable::Action::kFail) {
    throw_error(
        absl::UnavailableError(cat("memcached did not say whether ", quoted(item.key), " of SharedCache ",
                                   quoted(cache_.options_.name), " is current, and when_unreachable is fail()")));
  }
  if (what.action == WhenUnreachable::Action::kServe && item.entry && now_ - item.entry->current <= what.bound) {
    return item.serve(item.entry->value);
  }
  // It is unknown whether it was invalidated.
  const bool may_be_served = what.action == WhenUnreachable::Action::kServe;
  if (item.expired && !(may_be_served && now_ - item.expired->current <= what.bound)) item.expired = std::nullopt;
  ++cache_.counts_.misses;
  item.need = Need::kLoad;
}

void TaggedCache::Get::serve_expired(Item& item) {
  ++cache_.counts_.served_on_error;
  item.serve(item.expired->value);
}

void TaggedCache::Get::claim() {
  for (Item& item : items_) {
    if (item.need == Need::kRenewal) {
      item.claim = cache_.single_flight_.claim_renewal(item.key, item.tag);
      if (item.claim.part == Part::kLead) continue;
      ++cache_.counts_.validated;
      item.serve(item.entry->value);
    } else if (item.need == Need::kLoad) {
      item.claim = cache_.single_flight_.claim(item.key, item.tag, began_);
      if (item.claim.part == Part::kLead) take_if_finished(item);
    }
  }
}

// Another caller may have loaded the value between this call's search and its claim.
void TaggedCache::Get::take_if_finished(Item& item) {
  if (!item.tag) return;
  cache_.store_.visit(item.key, item.hash, [&](const Entry& entry) {
    if (entry.tag == *item.tag && now_ < entry.expires) item.serve(entry.value);
  });
  if (item.need == Need::kNothing) cache_.single_flight_.finish(item.claim.flight, item.value, [] {});
}

void TaggedCache::Get::lead() {
  std::vector<Item*> led;
  for (Item& item : items_) {
    if (item.need != Need::kNothing && item.claim.part == Part::kLead) led.push_back(&item);
  }
  if (led.empty()) return;
  try {
    load(led);
  } catch (...) {
    fail(led, std::current_exception());
  }
}

void TaggedCache::Get::load(std::span<Item*> led) {
  std::vector<std::string> keys;
  RunningProviders running_providers;
  for (const Item* item : led) {
    keys.emplace_back(item->key);
    running_providers.push_back(item->claim.flight);
    ++(item->need == Need::kRenewal ? cache_.counts_.renewals : cache_.counts_.loads);
  }
  const Dependence dependence(environment_.running_providers(), running_providers);
  ++cache_.counts_.provider_calls;
  std::vector<Loaded> loaded;
  const Monotonic start = cache_.clock_.monotonic();
  environment_.isolated(running_providers, [&] {
    try {
      loaded = load_(keys);
    } catch (...) {
      ++cache_.counts_.provider_errors;
      throw;
    }
  });
  const std::chrono::nanoseconds took = cache_.clock_.monotonic() - start;
  if (loaded.size() != keys.size()) {
    throw BadValueError(cat("the provider of SharedCache ", quoted(cache_.options_.name), " was asked for ",
                            keys.size(), " values, but gave ", loaded.size()));
  }
  keep(led, loaded, took);
}

// A value is kept only if the tag that was read before it was computed is still the gold one.
void TaggedCache::Get::keep(std::span<Item*> led, std::span<Loaded> loaded, std::chrono::nanoseconds took) {
  std::vector<memcache::TagRead> tags;
  for (const Item* item : led) {
    tags.push_back({.name = cache_.tag_name(item->key), .timeout = cache_.new_tag_timeout()});
  }
  const Monotonic now = cache_.clock_.monotonic();
  environment_.read_tags(tags);
  const Options& options = cache_.options_;
  for (std::size_t i = 0; i < led.size(); ++i) {
    Item& item = *led[i];
#ifdef NDB_WEAKEN_LATE_TAG  // for tests of the history checker, like all NDB_WEAKEN_*
    item.tag = tags[i].tag;
#endif
    Entry entry{.value = loaded[i].value, .tag = item.tag.value_or(memcache::Tag{}), .current = now};
    if (options.timeout.count() > 0) {
      entry.expires = now + scaled(std::chrono::nanoseconds(options.timeout), 1 - random_fraction() / 10);
      if (options.early_refresh > 0) {
        entry.renew = entry.expires - scaled(took, -options.early_refresh * std::log(random_fraction()));
      }
    }
    const bool gold = item.tag && tags[i].tag == item.tag;
    if (!gold) ++cache_.counts_.discarded;
    item.serve(loaded[i].value);
    std::vector<Entry> left;  // destroyed when no lock is held
    cache_.single_flight_.finish(item.claim.flight, item.value, [&] {
      if (gold) left = cache_.store_.put(item.key, item.hash, std::move(entry), loaded[i].bytes + item.key.size());
    });
  }
}

// All waiters get the error. Where a value may be served instead, it is, and the provider is not called for a while.
void TaggedCache::Get::fail(std::span<Item*> led, const std::exception_ptr& error) {
  bool needed = false;
  const Monotonic retry = cache_.clock_.monotonic() + kRetryPause;
  for (Item* item : led) {
    if (item->need == Need::kNothing) continue;  // has its value already
    cache_.store_.visit(item->key, item->hash, [&](Entry& entry) {
      if (entry.renew == Monotonic::max() && item->need == Need::kRenewal) entry.renew = retry;
      entry.retry = retry;
    });
    cache_.single_flight_.fail(item->claim.flight, error);
    if (item->need == Need::kRenewal) {
      item->serve(item->entry->value);
    } else if (item->expired) {
      serve_expired(*item);
    } else {
      needed = true;
    }
  }
  if (needed) std::rethrow_exception(error);
  cache_.log_failure(led.front()->key, error);
}

void TaggedCache::Get::wait() {
  std::vector<FlightPtr> flights;
  for (const Item& item : items_) {
    if (item.need == Need::kLoad) flights.push_back(item.claim.flight);
  }
  if (flights.empty()) return;
  const Dependence dependence(environment_.running_providers(), flights);
  for (Item& item : items_) {
    if (item.need != Need::kLoad) continue;
    cache_.single_flight_.wait(item.claim.flight);
    if (item.claim.part == Part::kWait || SingleFlight::cut_off(item.claim.flight)) continue;
    ++cache_.counts_.joined;
    if (item.expired && SingleFlight::failed(item.claim.flight)) {
      serve_expired(item);
    } else {
      item.serve(SingleFlight::result(item.claim.flight));
    }
  }
}

// Logged at most once a minute: a provider that fails does so for many keys, many times a second.
void TaggedCache::log_failure(std::string_view key, const std::exception_ptr& error) {
  const Monotonic now = clock_.monotonic();
  Monotonic::rep due = next_log_.load(std::memory_order_relaxed);
  const Monotonic::rep next = (now + kLogEvery).time_since_epoch().count();
  if (now.time_since_epoch().count() < due || !next_log_.compare_exchange_strong(due, next)) return;
  log(Severity::kWarning,
      cat("SharedCache ", quoted(options_.name), ": the provider of ", quoted(key),
          " failed, and the value that is there is served: ", from_absl(status_of(error).ToString())));
}

TaggedCache::TaggedCache(Options options, const Clock& clock)
    : options_(bounded(std::move(options))), clock_(clock), store_(options_.capacity, options_.capacity_bytes) {
  if (const absl::Status status = check(options_); !status.ok()) throw_error(status);
}

bool TaggedCache::find_fresh(std::string_view key, Value& value) {
  if (options_.max_staleness.count() == 0) return false;
  const std::size_t hash = seeded_hash(key);
  store_.expect_visit(hash);
  const Monotonic now = clock_.monotonic();
  bool fresh = false;
  store_.visit(key, hash, [&](const Entry& entry) {
    fresh = is_fresh(entry, now) && now < entry.expires && now < entry.renew;
    if (fresh) value = entry.value;
  });
  if (fresh) ++counts_.hits;
  return fresh;
}

std::vector<Value> TaggedCache::get(std::span<const std::string_view> keys, const Load& load,
                                    Environment& environment) {
  if (keys.empty()) return {};
  return Get(*this, keys, load, environment).run();
}

std::string TaggedCache::tag_name(std::string_view key) const {
  return options_.name.empty() ? std::string(key) : cat(options_.name, '/', key);
}

std::chrono::seconds TaggedCache::new_tag_timeout() const {
  return scaled(options_.tag_timeout, 1 + random_fraction() / 10);
}

void TaggedCache::forget(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    single_flight_.invalidate(key);
    store_.erase(key, seeded_hash(key));
  }
  counts_.invalidations += keys.size();
}

SharedCacheStats TaggedCache::stats() const {
  const auto size = store_.size();
  return {.hits = counts_.hits.sum(),
          .validated = counts_.validated,
          .misses = counts_.misses,
          .loads = counts_.loads + counts_.renewals,
          .provider_calls = counts_.provider_calls,
          .provider_errors = counts_.provider_errors,
          .joined = counts_.joined,
          .renewals = counts_.renewals,
          .discarded = counts_.discarded,
          .unreachable = counts_.unreachable,
          .served_on_error = counts_.served_on_error,
          .invalidations = counts_.invalidations,
          .evictions = size.evictions,
          .entries = size.entries,
          .bytes = size.bytes};
}

}  // namespace ndb::shared_cache
