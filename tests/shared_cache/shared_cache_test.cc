// ndb::SharedCache with a real memcached. Another client represents another process.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_clock.h"
#include "support/tiers.h"
#include "tasklet/support.h"

namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointee;
using Cache = ndb::SharedCache<int>;
using CacheOptions = ndb::SharedCacheOptions<int>;

class Config : public ndb::Model<Config> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class SharedCacheTest : public ndb::testing::Tiers {
 protected:
  // A client like that of another process, with the test's clock.
  ndb::Client with_clock() {
    auto core = ndb::testing::take_core(client());
    core->clock = &clock_;
    return ndb::detail::ClientAccess::make(core);
  }
  // Tags belong to no project, so each test has names of its own.
  std::string name() const { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }
  CacheOptions named(CacheOptions options = {}) const {
    options.name = name();
    return options;
  }
  std::function<int()> source() {
    return [this] {
      ++calls_;
      return value_.load();
    };
  }
  std::string tag_of(std::string_view key) const { return "ndbt:" + name() + "/" + std::string(key); }

  ndb::testing::FakeClock clock_;
  const ndb::Client client_ = client();
  std::atomic<int> value_{1}, calls_{0};
};

TEST_F(SharedCacheTest, AValueIsKeptUntilSomebodyInvalidatesIt) {
  Cache here(client_, named()), there(client(), named());
  EXPECT_THAT(here.get("k", source()), Pointee(1));
  EXPECT_THAT(there.get("k", source()), Pointee(1));
  const auto kept = here.get("k", source());
  EXPECT_EQ(calls_, 2);
  const auto before = client_.memcache_stats().round_trips;
  EXPECT_EQ(here.get("k", source()), kept) << "one object for all";
  EXPECT_EQ(client_.memcache_stats().round_trips, before + 1);

  value_ = 2;
  there.invalidate("k");
  EXPECT_THAT(here.get("k", source()), Pointee(2));
  EXPECT_THAT(there.get("k", source()), Pointee(2));
  EXPECT_THAT(kept, Pointee(1)) << "who holds a value keeps it";
  EXPECT_EQ(calls_, 4);
  here.clear();
  EXPECT_THAT(here.get("k", source()), Pointee(2));
  EXPECT_EQ(calls_, 5);
  const ndb::SharedCacheStats stats = here.stats();
  EXPECT_EQ(stats.misses, 3u);
  EXPECT_EQ(stats.loads, 3u);
  EXPECT_EQ(stats.validated, 2u);
  EXPECT_EQ(stats.entries, 1u);
}

TEST_F(SharedCacheTest, AnInvalidationDuringTheProviderIsNotLost) {
  Cache here(client_, named()), there(client(), named());
  const auto overtaken = [&] {
    const int value = value_++;
    there.invalidate("k");
    return value;
  };
  EXPECT_THAT(here.get("k", overtaken), Pointee(1));
  EXPECT_EQ(here.stats().discarded, 1u);
  EXPECT_THAT(here.get("k", source()), Pointee(2));
  EXPECT_THAT(here.get("k", overtaken), Pointee(2)) << "kept";
  // And by this process itself.
  here.invalidate("k");
  EXPECT_THAT(here.get("k",
                       [&] {
                         here.invalidate("k");
                         return 7;
                       }),
              Pointee(7));
  EXPECT_THAT(here.get("k", source()), Pointee(2));
}

TEST_F(SharedCacheTest, ALostTagCostsACallAndIsNeverStale) {
  Cache cache(client_, named());
  const std::pair<const char*, std::function<void()>> losses[] = {
      {"evicted", [&] { memcached().command("delete " + tag_of("k")); }},
      {"flushed", [&] { memcached().command("flush_all"); }},
      {"restarted", [&] { memcached().restart(); }},
  };
  for (const auto& [what, lose] : losses) {
    SCOPED_TRACE(what);
    cache.get("k", source());
    const int before = calls_;
    cache.get("k", source());
    EXPECT_EQ(calls_, before);
    value_ = value_ + 1;  // whose invalidation was lost with the tag
    lose();
    // The first attempt after a restart meets a broken connection, and stores nothing.
    EXPECT_THAT(cache.get("k", source()), Pointee(value_.load()));
    EXPECT_THAT(cache.get("k", source()), Pointee(value_.load()));
    EXPECT_GT(calls_, before);
  }
}

TEST_F(SharedCacheTest, OneProviderCallHoweverManyAsk) {
  constexpr int kThreads = 8;
  Cache cache(client_, named());
  const auto slow = [&] {
    ++calls_;
    while (cache.stats().misses < kThreads) std::this_thread::yield();  // all have asked
    return 42;
  };
  std::vector<std::future<std::shared_ptr<const int>>> results;
  for (int i = 0; i < kThreads; ++i) {
    results.push_back(std::async(std::launch::async, [&, i] {
      if (i % 2 == 0) return cache.get("k", slow);  // without a context
      const auto scope = client_.context();
      return cache.get("k", slow);
    }));
  }
  for (auto& result : results) EXPECT_THAT(result.get(), Pointee(42));
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(cache.stats().provider_calls, 1u);
}

TEST_F(SharedCacheTest, AnExceptionReachesAllWhoWaitAndPoisonsNothing) {
  constexpr int kThreads = 4;
  Cache cache(client_, named());
  std::latch asked(kThreads);
  const auto failing = [&]() -> int {
    ++calls_;
    asked.wait();
    throw std::runtime_error("no such luck");
  };
  std::atomic<int> caught{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const auto scope = client_.context();
      asked.count_down();
      try {
        cache.get("k", failing);
      } catch (const std::runtime_error& error) {
        caught += std::string(error.what()) == "no such luck" ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(caught, kThreads);
  EXPECT_THAT(cache.get("k", source()), Pointee(1));
  EXPECT_THROW(cache.get_multi({"a", "b"}, [](const auto&) { return std::vector<int>{1}; }), ndb::BadValueError);
}

// A get that begins after an invalidation must not share a provider call that began before it.
TEST_F(SharedCacheTest, AFlightOfBeforeAnInvalidationIsNotJoined) {
  Cache here(client_, named()), there(client(), named());
  std::promise<void> running, go_on;
  std::thread first([&] {
    EXPECT_THAT(here.get("k",
                         [&] {
                           const int value = value_;
                           running.set_value();
                           go_on.get_future().wait();
                           return value;
                         }),
                Pointee(1));
  });
  running.get_future().wait();
  value_ = 2;
  there.invalidate("k");
  std::thread second([&] { EXPECT_THAT(here.get("k", source()), Pointee(2)); });
  while (here.stats().misses < 2) std::this_thread::yield();
  go_on.set_value();
  first.join();
  second.join();
  EXPECT_THAT(here.get("k", source()), Pointee(2));
  EXPECT_EQ(calls_, 1);
}

TEST_F(SharedCacheTest, ManyKeysAreOneBatchAndOneCall) {
  Cache cache(client_, named());
  std::vector<std::vector<std::string>> asked;
  const auto provider = [&](const std::vector<std::string>& keys) {
    asked.push_back(keys);
    std::vector<int> lengths;
    for (const std::string& key : keys) lengths.push_back(static_cast<int>(key.size()));
    return lengths;
  };
  EXPECT_THAT(cache.get_multi({"a", "bb"}, provider), ElementsAre(Pointee(1), Pointee(2)));
  EXPECT_THAT(cache.get_multi({"ccc", "a", "dddd", "a", "ccc"}, provider),
              ElementsAre(Pointee(3), Pointee(1), Pointee(4), Pointee(1), Pointee(3)));
  EXPECT_THAT(asked, ElementsAre(ElementsAre("a", "bb"), ElementsAre("ccc", "dddd")));
  EXPECT_THAT(cache.get_multi({}, provider), ElementsAre());

  std::vector<std::string> hundred;
  for (int i = 0; i < 100; ++i) hundred.push_back("key " + std::to_string(i));
  cache.get_multi(hundred, provider);
  const auto before = client_.memcache_stats().round_trips;
  cache.get_multi(hundred, provider);
  EXPECT_EQ(client_.memcache_stats().round_trips, before + 1);
  EXPECT_EQ(asked.size(), 3u);
  cache.invalidate_multi(hundred);
  EXPECT_EQ(client_.memcache_stats().round_trips, before + 2);
  cache.get_multi(hundred, provider);
  EXPECT_EQ(asked.size(), 4u);
}

TEST_F(SharedCacheTest, TagsAreReadWithEverythingElseThatIsPending) {
  Cache cache(client_, named());
  const ndb::TierCounts counts = in_new_context(client_, [&] {
    ndb::Context& context = ndb::get_context();
    for (int i = 0; i < 3; ++i) Config::make({.n = i}, ndb::id(i + 1)).put();
    cache.get_multi({"a", "b"}, [](const auto& keys) { return std::vector<int>(keys.size()); });
    context.memcache_set("raw", "r");
    while (Config::get_by_id(1, {.use_cache = false}), context.counts().memcache_hits == 0) {
    }
    context.clear_cache();
    const auto before = client_.memcache_stats().round_trips;
    const auto thing = ndb::key<Config>(1).get_async<Config>();
    const auto slow = ndb::key<Config>(1).get_async<Config>({.deadline = 5s});  // a Lookup of its own, if any
    const auto raw = context.memcache_get_async("raw");
    auto a = ndb::tasklet([&] { return *cache.get("a", source()); });
    auto b = ndb::tasklet([&] { return *cache.get("b", source()); });
    EXPECT_EQ(a.get() + b.get(), 0);
    EXPECT_EQ(thing.get()->n, 0);
    EXPECT_EQ(slow.get()->n, 0);
    EXPECT_EQ(raw.get(), "r");
    EXPECT_EQ(client_.memcache_stats().round_trips, before + 1);
  });
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(counts.lookups, 1u);
}

TEST_F(SharedCacheTest, AHundredTaskletsMakeOneCall) {
  Cache cache(client_, named());
  in_new_context(client_, [&] {
    std::vector<ndb::Tasklet<int>> tasklets;
    const auto provider = [&] {
      ++calls_;
      ndb::sleep(1ms);  // parks
      return 5;
    };
    for (int i = 0; i < 100; ++i) {
      tasklets.push_back(ndb::tasklet([&, i] { return *cache.get("k" + std::to_string(i % 2), provider); }));
    }
    for (auto& tasklet : tasklets) EXPECT_EQ(tasklet.get(), 5);
  });
  EXPECT_EQ(calls_, 2);
}

TEST_F(SharedCacheTest, WithinTheStalenessBoundNoTagIsRead) {
  const ndb::Client client = with_clock();
  Cache here(client, named({.max_staleness = 10s})), there(client_, named());
  here.get("k", source());
  const auto round_trips = client.memcache_stats().round_trips;
  value_ = 2;
  there.invalidate("k");
  clock_.advance(10s);
  EXPECT_THAT(here.get("k", source()), Pointee(1));
  EXPECT_EQ(client.memcache_stats().round_trips, round_trips);
  clock_.advance(1ms);
  EXPECT_THAT(here.get("k", source()), Pointee(2));
  // Once confirmed, it is served without another check for as long again.
  clock_.advance(11s);
  here.get("k", source());
  const auto looked = client.memcache_stats().round_trips;
  clock_.advance(9s);
  here.get("k", source());
  EXPECT_EQ(client.memcache_stats().round_trips, looked);
  // This process knows its own invalidations at once.
  value_ = 3;
  here.invalidate("k");
  EXPECT_THAT(here.get("k", source()), Pointee(3));
  EXPECT_EQ(calls_, 3);
}

TEST_F(SharedCacheTest, ValuesExpireAndOneCallerRenewsThemBefore) {
  const ndb::Client client = with_clock();
  Cache cache(client, named({.timeout = 100s, .early_refresh = 0}));
  cache.get("k", source());
  clock_.advance(89s);
  cache.get("k", source());
  EXPECT_EQ(calls_, 1);
  clock_.advance(12s);
  cache.get("k", source());
  EXPECT_EQ(calls_, 2) << "expired";

  // A provider that takes longer than the time-out is due at once.
  Cache eager(client, named({.timeout = 10s, .early_refresh = 1000}));
  const auto slow = [&] {
    clock_.advance(100s);
    return source()();
  };
  calls_ = 0;
  eager.get("e", slow);
  std::thread renewing([&] {
    EXPECT_THAT(eager.get("e",
                          [&] {
                            value_ = 2;
                            // Meanwhile all others get the existing value.
                            std::thread([&] { EXPECT_THAT(eager.get("e", source()), Pointee(1)); }).join();
                            return 2;
                          }),
                Pointee(2));
  });
  renewing.join();
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(eager.stats().renewals, 1u);
  EXPECT_EQ(eager.stats().provider_calls, 2u);

  // A failed renewal is reported to nobody, and not repeated by others.
  eager.invalidate("e");
  eager.get("e", slow);
  EXPECT_THAT(eager.get("e", []() -> int { throw std::runtime_error("down"); }), Pointee(2));
  EXPECT_THAT(eager.get("e", []() -> int { throw std::runtime_error("down"); }), Pointee(2));
  clock_.advance(11s);
  EXPECT_THROW(eager.get("e", []() -> int { throw std::runtime_error("down"); }), std::runtime_error);
}

TEST_F(SharedCacheTest, WhatIsDoneWithoutMemcached) {
  ndb::testing::MemcachedServer server;
  ndb::ClientOptions client_options = options();
  client_options.memcached_hosts = {server.address()};
  client_options.memcache_connect_timeout = client_options.memcache_io_timeout = 100ms;
  auto core = ndb::testing::take_core(ndb::Client(client_options));
  core->clock = &clock_;
  const ndb::Client client = ndb::detail::ClientAccess::make(core);
  Cache calls(client, named()), serves(client, named({.when_unreachable = ndb::WhenUnreachable::serve_within(30s)})),
      fails(client, named({.when_unreachable = ndb::WhenUnreachable::fail()}));
  for (Cache* cache : {&calls, &serves, &fails}) cache->get("k", source());
  server.kill();
  value_ = 2;
  EXPECT_THAT(calls.get("k", source()), Pointee(2));
  value_ = 3;
  EXPECT_THAT(calls.get("k", source()), Pointee(3)) << "and keeps nothing";
  EXPECT_THAT(serves.get("k", source()), Pointee(1));
  EXPECT_THAT(serves.get("unknown", source()), Pointee(3));
  clock_.advance(31s);
  EXPECT_THAT(serves.get("k", source()), Pointee(3));
  try {
    fails.get("k", source());
    ADD_FAILURE();
  } catch (const ndb::Error& error) {
    EXPECT_TRUE(absl::IsUnavailable(error.status()));
    EXPECT_THAT(error.what(), HasSubstr("\"k\""));
  }
  try {
    calls.invalidate("k");
    ADD_FAILURE();
  } catch (const ndb::Error& error) {
    EXPECT_TRUE(absl::IsUnavailable(error.status()));
    EXPECT_THAT(error.what(), HasSubstr("/k"));
  }
  EXPECT_GT(calls.stats().unreachable, 0u);
  // Concurrent callers share a call, but only one that begins after they asked.
  calls_ = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_THAT(calls.get("k", source()), Pointee(3)); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(calls_, 8);

  ndb::ClientOptions none = options();
  none.memcached_hosts = std::vector<std::string>{};
  Cache uncached(ndb::Client(none), named());
  EXPECT_THAT(uncached.get("k", source()), Pointee(3));
  EXPECT_EQ(uncached.stats().entries, 0u);
  uncached.invalidate("k");
}

TEST_F(SharedCacheTest, CapacityInEntriesAndBytes) {
  Cache few(client_, named({.capacity = 3}));
  for (int i = 0; i < 10; ++i) few.get("k" + std::to_string(i), source());
  EXPECT_EQ(few.stats().entries, 3u);
  EXPECT_EQ(few.stats().evictions, 7u);
  ndb::SharedCache<std::string> bytes(
      client_, {.name = name(), .capacity_bytes = 100, .size_of = [](const std::string& s) { return s.size(); }});
  for (int i = 0; i < 10; ++i) bytes.get("b" + std::to_string(i), [] { return std::string(20, 'x'); });
  EXPECT_LE(bytes.stats().bytes, 100u);
  EXPECT_EQ(bytes.stats().entries, 4u);
  bytes.get("large", [] { return std::string(100, 'x'); });
  EXPECT_EQ(bytes.stats().entries, 4u);
}

// The destructor of an evicted value may use the cache.
TEST_F(SharedCacheTest, ValuesEndWhenNoLockIsHeld) {
  const int value = 1;
  int ended = 0;
  Cache cache(client_, named({.capacity = 1}));
  const auto load = [&] {
    return std::shared_ptr<const int>(&value, [&](const int*) {
      ++ended;
      cache.invalidate("k0");
      cache.stats();
    });
  };
  for (int i = 0; i < 5; ++i) cache.get("k" + std::to_string(i), load);
  EXPECT_EQ(ended, 4);
  cache.clear();
  EXPECT_EQ(ended, 5);
}

TEST_F(SharedCacheTest, WithinTheBoundARenewalNeedsNoMemcached) {
  ndb::testing::MemcachedServer server;
  ndb::ClientOptions client_options = options();
  client_options.memcached_hosts = {server.address()};
  client_options.memcache_connect_timeout = client_options.memcache_io_timeout = 100ms;
  auto core = ndb::testing::take_core(ndb::Client(client_options));
  core->clock = &clock_;
  Cache cache(ndb::detail::ClientAccess::make(core), named({.timeout = 10s,
                                                            .max_staleness = 20s,
                                                            .when_unreachable = ndb::WhenUnreachable::fail(),
                                                            .early_refresh = 1000}));
  cache.get("k", [&] {
    clock_.advance(100s);  // so that its renewal is due at once
    return 1;
  });
  server.kill();
  EXPECT_THAT(cache.get("k", source()), Pointee(1));
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(cache.stats().unreachable, 1u) << "the renewal was due, and asked for the tag";
  clock_.advance(11s);
  EXPECT_THROW(cache.get("k", source()), ndb::Error) << "expired";
}

TEST_F(SharedCacheTest, TimesThatMeanForEverDoNotOverflow) {
  constexpr auto kForEver = std::chrono::milliseconds::max();
  const ndb::Client client = with_clock();
  CacheOptions options{.timeout = kForEver,
                       .max_staleness = kForEver,
                       .when_unreachable = ndb::WhenUnreachable::serve_within(kForEver),
                       .max_stale_on_error = kForEver,
                       .early_refresh = 0,
                       .tag_timeout = std::chrono::seconds::max()};
  Cache cache(client, named(options));
  cache.get("k", source());
  clock_.advance(std::chrono::hours(24 * 365));
  cache.get("k", source());
  EXPECT_EQ(calls_, 1);

  // A thousand times as long as this provider takes is more than time has room for.
  options.early_refresh = 1000;
  Cache eager(client, named(options));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(eager.get("e",
                          [&] {
                            clock_.advance(std::chrono::hours(24 * 365));
                            return 1;
                          }),
                Pointee(1));
  }
}

// ---- Contexts and transactions ----

void set(std::int64_t n) { Config::make({.n = n}, ndb::id("c")).put(); }
int loaded() { return static_cast<int>(Config::get_by_id("c")->n); }

TEST_F(SharedCacheTest, AProviderSeesNothingOlderThanTheTag) {
  Cache cache(client_, named());
  in_new_context(client_, [&] {
    set(1);
    loaded();  // in this context's cache from now on
    std::thread([&] {
      in_new_context(client(), [&] {
        set(2);
        cache.invalidate("c");
      });
    }).join();
    EXPECT_EQ(loaded(), 1);
    EXPECT_THAT(cache.get("c", loaded), Pointee(2));
    ndb::transaction([&] {
      EXPECT_EQ(loaded(), 2) << "the snapshot";
      std::thread([&] {
        in_new_context(client(), [&] {
          set(3);
          cache.invalidate("c");
        });
      }).join();
      EXPECT_THAT(cache.get("c",
                            [] {
                              EXPECT_FALSE(ndb::get_context().in_transaction());
                              return loaded();
                            }),
                  Pointee(3));
    });
  });
}

TEST_F(SharedCacheTest, AProviderThatWaitsLeavesTheOthersTheirPartition) {
  ndb::ClientOptions elsewhere = options();
  elsewhere.namespace_ = "elsewhere";
  ndb::SharedCache<std::vector<std::string>> cache(ndb::Client(elsewhere), {.name = name()});
  const auto here = [] { return std::string(ndb::Key("A", ndb::id(1)).namespace_()); };
  in_new_context(client_, [&] {
    ndb::test::Promise<int> begun, go;
    const auto value = ndb::tasklet([&] {
      return cache.get("k", [&] {
        std::vector<std::string> seen{here()};
        begun->set(0);
        go.future().wait();
        seen.push_back(here());
        return seen;
      });
    });
    begun.future().wait();
    EXPECT_EQ(here(), "") << "while the provider waits";
    go->set(0);
    EXPECT_THAT(value.get(), Pointee(ElementsAre("elsewhere", "elsewhere")));
    EXPECT_EQ(here(), "");
  });
}

TEST_F(SharedCacheTest, InATransactionInvalidationWaitsForTheCommit) {
  Cache cache(client_, named());
  in_new_context(client_, [&] {
    set(1);
    cache.get("c", loaded);
    ndb::transaction([&] {
      set(2);
      cache.invalidate("c");
      EXPECT_THAT(cache.get("c", loaded), Pointee(1));
    });
    EXPECT_THAT(cache.get("c", loaded), Pointee(2));
    const auto before = cache.stats().invalidations;
    ndb::transaction([&] {
      cache.invalidate("c");
      throw ndb::Rollback("no");
    });
    EXPECT_EQ(cache.stats().invalidations, before);
  });
}

TEST_F(SharedCacheTest, AProviderThatWaitsForItselfIsAnError) {
  Cache cache(client_, named()), other(client_, named());
  const auto itself = [&] { return *cache.get("k", [&] { return *cache.get("k", source()); }); };
  EXPECT_THROW(itself(), ndb::BadRequestError);
  in_new_context(client_, [&] {
    EXPECT_THROW(itself(), ndb::BadRequestError);
    // Through another cache, a tasklet and a transaction.
    EXPECT_THROW(cache.get("a",
                           [&] {
                             return *other.get("b", [&] {
                               return ndb::tasklet([&] {
                                        int n = 0;
                                        ndb::transaction([&] { n = *cache.get("a", source()); });
                                        return n;
                                      })
                                   .get();
                             });
                           }),
                 ndb::BadRequestError);
    EXPECT_THAT(cache.get("x", [&] { return 1 + *other.get("x", source()); }), Pointee(2));
  });
  // Two threads, each of which waits for the other's key.
  std::latch both(2);
  std::atomic<int> errors{0};
  const auto crossed = [&](const std::string& mine, const std::string& theirs) {
    try {
      cache.get(mine, [&] {
        both.arrive_and_wait();
        return *cache.get(theirs, source());
      });
    } catch (const ndb::BadRequestError&) {
      ++errors;
    }
  };
  std::thread thread([&] { crossed("p", "q"); });
  crossed("q", "p");
  thread.join();
  EXPECT_EQ(errors, 2) << "the one finds out, and the other waits for it";
}

TEST_F(SharedCacheTest, OptionsThatMakeNoSense) {
  const CacheOptions bad[] = {
      {.name = "a/b"},
      {.timeout = -1s},
      {.capacity = 0},
      {.capacity_bytes = 0},
      {.max_staleness = -1s},
      {.early_refresh = -1},
      {.tag_timeout = 300s},
      {.tag_timeout = -1s},
      {.capacity = std::size_t{1} << 60},
      {.when_unreachable = ndb::WhenUnreachable::serve_within(-1s)},
  };
  for (const CacheOptions& options : bad) EXPECT_THROW(Cache(client_, options), ndb::BadArgumentError);
  Cache nulls(client_, named({.tag_timeout = 0s}));
  EXPECT_EQ(nulls.get("none", [] { return std::shared_ptr<const int>(); }), nullptr);
  EXPECT_EQ(nulls.get("none", source()), nullptr) << "kept like any other value";
  EXPECT_THAT(nulls.get(std::string("\0 any bytes\n", 12), [](const std::string& key) { return int(key.size()); }),
              Pointee(12));
}

}  // namespace
