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

using std::chrono::milliseconds;
using std::chrono::seconds;

// Shorter ones would be in the class of items that memcached never evicts, which is for locks (docs/consistency.md).
constexpr seconds kShortestTagTimeout{600};

// Between 0 and 1, and neither.
double random_fraction() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(1e-9, 1.0 - 1e-9)(random);
}

template <class Duration>
Duration scaled(Duration duration, double factor) {
  return Duration(static_cast<typename Duration::rep>(static_cast<double>(duration.count()) * factor));
}

absl::Status check(const Options& options) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (options.name.find_first_not_of(kAllowed) != std::string::npos) {
    return bad_argument(
        cat("the name of a SharedCache has letters, digits, '.', '_' and '-' only, but is ", quoted(options.name)));
  }
  if (options.capacity == 0 || options.capacity > SharedStore<Copy>::kMostEntries || options.capacity_bytes == 0) {
    return bad_argument(cat("SharedCache ", quoted(options.name), ": capacity must be 1 to ",
                            SharedStore<Copy>::kMostEntries, " and capacity_bytes more than 0, but they are ",
                            options.capacity, " and ", options.capacity_bytes));
  }
  if (options.timeout.count() < 0 || options.max_staleness.count() < 0 || options.when_unreachable.bound.count() < 0 ||
      !(options.early_refresh >= 0 && options.early_refresh <= 1000)) {
    return bad_argument(cat("SharedCache ", quoted(options.name),
                            ": timeout, max_staleness and the bound of serve_within must not be negative, and "
                            "early_refresh must be 0 to 1000"));
  }
  if (options.tag_timeout != seconds(0) && options.tag_timeout < kShortestTagTimeout) {
    return bad_argument(cat("SharedCache ", quoted(options.name), ": tag_timeout must be 0 (unlimited) or at least ",
                            kShortestTagTimeout.count(), " s, but is ", options.tag_timeout.count(), " s"));
  }
  return absl::OkStatus();
}

}  // namespace

// One call of get(): looks at the copies, then at the tags of those that may not be served yet, then calls the provider
// for what is left, or waits for others who do. Whatever way a value comes, it was computed, or its tag was gold, after
// this call had begun.
class TaggedCache::Get {
 public:
  Get(TaggedCache& cache, std::span<const std::string_view> keys, const Load& load, Surroundings& around)
      : cache_(cache), load_(load), around_(around), began_(cache.flights_.now()), now_(cache.clock_.monotonic()) {
    items_.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) items_[i] = {.key = keys[i], .hash = seeded_hash(keys[i])};
  }

  std::vector<Value> run() {
    look();
    read_tags();
    // The second time nobody has to be waited for: who is flying then began after this call did.
    for (int turn = 0; turn < 2; ++turn) {
      claim();
      lead();
      wait();
    }
    std::vector<Value> values;
    values.reserve(items_.size());
    for (Item& item : items_) {
      assert(item.need == Need::kNothing);
      values.push_back(std::move(item.value));
    }
    return values;
  }

 private:
  using Part = Flights::Claim::Part;
  enum class Need {
    kTag,      // to be looked at
    kLoad,     // a provider's value
    kRenewal,  // the same, but there is one that may be served
    kNothing,  // `value` is there
  };
  struct Item {
    std::string_view key;
    std::size_t hash = 0;
    Need need = Need::kTag;
    std::optional<Copy> copy{};
    std::optional<memcache::Tag> tag{};
    bool renewal_due = false;
    Flights::Claim claim{};
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
  void take_if_landed(Item& item);
  void lead();
  void load(std::span<Item*> led);
  void keep(std::span<Item*> led, std::span<Loaded> loaded, std::chrono::nanoseconds took);
  void fail(std::span<Item*> led, const std::exception_ptr& error);
  void wait();

  TaggedCache& cache_;
  const Load& load_;
  Surroundings& around_;
  const std::uint64_t began_;
  const Monotonic now_;
  std::vector<Item> items_;
};

void TaggedCache::Get::look() {
  for (Item& item : items_) {
    cache_.store_.visit(item.key, item.hash, [&](Copy& copy) {
      if (now_ >= copy.expires) return;
      item.renewal_due = now_ >= copy.renew;
      copy.renew = item.renewal_due ? Monotonic::max() : copy.renew;  // by nobody else
      item.copy = copy;
    });
    if (item.copy && cache_.is_fresh(*item.copy, now_) && !item.renewal_due) {
      ++cache_.counts_.hits;
      item.serve(item.copy->value);
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
  around_.read_tags(reads);
  for (std::size_t i = 0; i < of.size(); ++i) {
    of[i]->tag = reads[i].tag;
    judge(*of[i]);
  }
}

void TaggedCache::Get::judge(Item& item) {
  if (!item.tag) return unreachable(item);
  if (!item.copy || item.copy->tag != *item.tag) {
    ++cache_.counts_.misses;
    item.need = Need::kLoad;
    return;
  }
  cache_.store_.visit(item.key, item.hash, [&](Copy& copy) {
    if (copy.tag == *item.tag) copy.current = std::max(copy.current, now_);
  });
  if (item.renewal_due) {
    item.need = Need::kRenewal;
  } else {
    ++cache_.counts_.validated;
    item.serve(item.copy->value);
  }
}

void TaggedCache::Get::unreachable(Item& item) {
  ++cache_.counts_.unreachable;
  if (item.copy && cache_.is_fresh(*item.copy, now_)) return item.serve(item.copy->value);  // its renewal can wait
  const WhenUnreachable& what = cache_.options_.when_unreachable;
  if (what.action == WhenUnreachable::Action::kFail) {
    throw_error(
        absl::UnavailableError(cat("memcached does not say whether ", quoted(item.key), " of SharedCache ",
                                   quoted(cache_.options_.name), " is current, and when_unreachable is fail()")));
  }
  if (what.action == WhenUnreachable::Action::kServe && item.copy && now_ - item.copy->current <= what.bound) {
    return item.serve(item.copy->value);
  }
  ++cache_.counts_.misses;
  item.need = Need::kLoad;
}

void TaggedCache::Get::claim() {
  for (Item& item : items_) {
    if (item.need == Need::kRenewal) {
      item.claim = cache_.flights_.claim_renewal(item.key, item.tag);
      if (item.claim.part == Part::kLead) continue;
      ++cache_.counts_.validated;
      item.serve(item.copy->value);
    } else if (item.need == Need::kLoad) {
      item.claim = cache_.flights_.claim(item.key, item.tag, began_);
      if (item.claim.part == Part::kLead) take_if_landed(item);
    }
  }
}

// Somebody else may have loaded the value between this call's look and its claim.
void TaggedCache::Get::take_if_landed(Item& item) {
  if (!item.tag) return;
  cache_.store_.visit(item.key, item.hash, [&](const Copy& copy) {
    if (copy.tag == *item.tag && now_ < copy.expires) item.serve(copy.value);
  });
  if (item.need == Need::kNothing) cache_.flights_.land(item.claim.flight, item.value, [] {});
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
  Providing providing;
  for (const Item* item : led) {
    keys.emplace_back(item->key);
    providing.push_back(item->claim.flight);
    ++(item->need == Need::kRenewal ? cache_.counts_.renewals : cache_.counts_.loads);
  }
  const Dependence dependence(around_.providing(), providing);
  ++cache_.counts_.provider_calls;
  std::vector<Loaded> loaded;
  const Monotonic start = cache_.clock_.monotonic();
  around_.apart(providing, [&] { loaded = load_(keys); });
  const std::chrono::nanoseconds took = cache_.clock_.monotonic() - start;
  if (loaded.size() != keys.size()) {
    throw BadValueError(cat("the provider of SharedCache ", quoted(cache_.options_.name), " was asked for ",
                            keys.size(), " values, but gave ", loaded.size()));
  }
  keep(led, loaded, took);
}

// A value stays only if the tag that was read before it was computed is still the gold one.
void TaggedCache::Get::keep(std::span<Item*> led, std::span<Loaded> loaded, std::chrono::nanoseconds took) {
  std::vector<memcache::TagRead> tags;
  for (const Item* item : led) {
    tags.push_back({.name = cache_.tag_name(item->key), .timeout = cache_.new_tag_timeout()});
  }
  const Monotonic now = cache_.clock_.monotonic();
  around_.read_tags(tags);
  const Options& options = cache_.options_;
  for (std::size_t i = 0; i < led.size(); ++i) {
    Item& item = *led[i];
#ifdef NDB_WEAKEN_LATE_TAG  // for tests of the history checker, like all NDB_WEAKEN_*
    item.tag = tags[i].tag;
#endif
    Copy copy{.value = loaded[i].value, .tag = item.tag.value_or(memcache::Tag{}), .current = now};
    if (options.timeout.count() > 0) {
      copy.expires = now + scaled(std::chrono::nanoseconds(options.timeout), 1 - random_fraction() / 10);
      if (options.early_refresh > 0) {
        copy.renew = copy.expires - scaled(took, -options.early_refresh * std::log(random_fraction()));
      }
    }
    const bool gold = item.tag && tags[i].tag == item.tag;
    if (!gold) ++cache_.counts_.discarded;
    item.serve(loaded[i].value);
    std::vector<Copy> left;  // ends when no lock is held
    cache_.flights_.land(item.claim.flight, item.value, [&] {
      if (gold) left = cache_.store_.put(item.key, item.hash, std::move(copy), loaded[i].bytes + item.key.size());
    });
  }
}

// All who wait get the error; a caller with values that may still be served keeps to them.
void TaggedCache::Get::fail(std::span<Item*> led, const std::exception_ptr& error) {
  bool needed = false;
  for (Item* item : led) {
    if (item->need == Need::kNothing) continue;  // has landed
    cache_.flights_.fail(item->claim.flight, error);
    if (item->need == Need::kLoad) {
      needed = true;
    } else {
      item->serve(item->copy->value);
    }
  }
  if (needed) std::rethrow_exception(error);
  log(Severity::kWarning,
      cat("SharedCache ", quoted(cache_.options_.name), ": the provider failed to renew ", quoted(led.front()->key),
          ", which is served until its time-out: ", from_absl(status_of(error).ToString())));
}

void TaggedCache::Get::wait() {
  std::vector<FlightPtr> flights;
  for (const Item& item : items_) {
    if (item.need == Need::kLoad) flights.push_back(item.claim.flight);
  }
  if (flights.empty()) return;
  const Dependence dependence(around_.providing(), flights);
  for (Item& item : items_) {
    if (item.need != Need::kLoad) continue;
    cache_.flights_.wait(item.claim.flight);
    if (item.claim.part == Part::kWait) continue;
    ++cache_.counts_.joined;
    item.serve(Flights::result(item.claim.flight));
  }
}

TaggedCache::TaggedCache(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), store_(options_.capacity, options_.capacity_bytes) {
  if (const absl::Status status = check(options_); !status.ok()) throw_error(status);
}

bool TaggedCache::find_fresh(std::string_view key, Value& value) {
  if (options_.max_staleness.count() == 0) return false;
  const std::size_t hash = seeded_hash(key);
  store_.expect_visit(hash);
  const Monotonic now = clock_.monotonic();
  bool fresh = false;
  store_.visit(key, hash, [&](const Copy& copy) {
    fresh = is_fresh(copy, now) && now < copy.expires && now < copy.renew;
    if (fresh) value = copy.value;
  });
  if (fresh) ++counts_.hits;
  return fresh;
}

std::vector<Value> TaggedCache::get(std::span<const std::string_view> keys, const Load& load, Surroundings& around) {
  if (keys.empty()) return {};
  return Get(*this, keys, load, around).run();
}

std::string TaggedCache::tag_name(std::string_view key) const {
  return options_.name.empty() ? std::string(key) : cat(options_.name, '/', key);
}

std::chrono::seconds TaggedCache::new_tag_timeout() const {
  return scaled(options_.tag_timeout, 1 + random_fraction() / 10);
}

void TaggedCache::forget(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    flights_.spoil(key);
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
          .joined = counts_.joined,
          .renewals = counts_.renewals,
          .discarded = counts_.discarded,
          .unreachable = counts_.unreachable,
          .invalidations = counts_.invalidations,
          .evictions = size.evictions,
          .entries = size.entries,
          .bytes = size.bytes};
}

}  // namespace ndb::shared_cache
