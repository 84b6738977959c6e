// What the tiers count, with a table of it for programs that show or export the numbers:
//   ndb::for_each_stat(client.memcache_stats(), [](const auto& field, std::uint64_t value) {
//     std::cout << field.name << ' ' << value << "  # " << field.help << '\n';
//   });
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace ndb {

// What a number is.
enum class StatKind {
  kCounter,  // only grows
  kGauge,    // as it is now
};

// A number in a struct of statistics.
template <class Stats>
struct StatField {
  std::string_view name;         // of the member
  std::string_view help;         // one sentence
  StatKind kind;                 // whether it only grows
  std::uint64_t Stats::* value;  // the member
};

// Calls `visit(field, value)` for every number, in the order of the struct.
template <class Stats, class Visit>
void for_each_stat(const Stats& stats, Visit visit) {
  for (const StatField<Stats>& field : Stats::fields()) visit(field, stats.*field.value);
}

// Defines a struct of statistics from a list of its numbers. A line of the list declares a member that starts at 0, and
// its row in fields().
#define NDB_STATS_(Name, NUMBERS)                                                                          \
  struct Name {                                                                                            \
    NUMBERS(NDB_STATS_MEMBER_)                                                                             \
    static constexpr auto fields() { return std::to_array<StatField<Name>>({NUMBERS(NDB_STATS_FIELD_)}); } \
    using Self = Name;                                                                                     \
    friend bool operator==(const Name&, const Name&) = default;                                            \
  }
#define NDB_STATS_MEMBER_(name, kind, help) std::uint64_t name = 0;
#define NDB_STATS_FIELD_(name, kind, help) {#name, help, StatKind::kind, &Self::name},

// What the tiers have done for a context since it began, its transactions included: Context::counts().
#define NDB_TIER_COUNTS_(X)                                                                             \
  X(cache_hits, kCounter, "reads answered by the in-context cache")                                     \
  X(memcache_reads, kCounter, "batches that reads sent to memcache, without the second trip of leases") \
  X(memcache_hits, kCounter, "reads answered by memcache")                                              \
  X(shared_hits, kCounter, "of those, with an entity that another thread had decoded")                  \
  X(memcache_fills, kCounter, "records offered to memcache after a Lookup")                             \
  X(memcache_locks, kCounter, "batches of locks taken before a Commit")                                 \
  X(memcache_writes, kCounter, "entities written to memcache alone, and calls of invalidate()")         \
  X(lookups, kCounter, "Lookup RPCs")                                                                   \
  X(lookup_keys, kCounter, "keys in them")                                                              \
  X(commits, kCounter, "Commit RPCs")                                                                   \
  X(mutations, kCounter, "mutations in them")                                                           \
  X(queries, kCounter, "RunQuery and RunAggregationQuery RPCs")
NDB_STATS_(TierCounts, NDB_TIER_COUNTS_);

// What memcache has done for a client, all threads together, since the client was made: Client::memcache_stats().
#define NDB_MEMCACHE_STATS_(X)                                                              \
  X(round_trips, kCounter, "requests that were waited for, one per server and batch")       \
  X(commands, kCounter, "memcached commands in them")                                       \
  X(hits, kCounter, "reads answered")                                                       \
  X(misses, kCounter, "reads that found nothing")                                           \
  X(bypassed, kCounter, "reads that found a lock, or no answer")                            \
  X(fills, kCounter, "records stored after a Lookup")                                       \
  X(locks, kCounter, "records locked for a write")                                          \
  X(unlocks, kCounter, "locks released")                                                    \
  X(errors, kCounter, "operations that a server did not answer as it should")               \
  X(corrupt, kCounter, "records that were damaged or belonged to another key")              \
  X(refused_as_stale, kCounter, "records older than what the context had seen")             \
  X(ring_mismatches, kCounter, "times that another program was found to use other servers") \
  X(repairs_waiting, kGauge, "releases of locks that memcache has not taken yet")           \
  X(repaired, kCounter, "of those that had to wait, how many it took")                      \
  X(repairs_given_up, kCounter, "of those, how many locks ended by themselves")             \
  X(probed, kCounter, "hits that the consistency probe looked up again")                    \
  X(stale_hits, kCounter, "of those, how many were stale")
NDB_STATS_(MemcacheStats, NDB_MEMCACHE_STATS_);

// What a SharedCache has done since it was made: SharedCache::stats().
#define NDB_SHARED_CACHE_STATS_(X)                                                                       \
  X(hits, kCounter, "values served without a look at the tag")                                           \
  X(validated, kCounter, "values served because the tag is the gold one")                                \
  X(misses, kCounter, "values that were not there, had expired, or were invalidated")                    \
  X(loads, kCounter, "values that a provider was called for")                                            \
  X(provider_calls, kCounter, "calls of providers, for one or more values")                              \
  X(provider_errors, kCounter, "of them, those that threw")                                              \
  X(joined, kCounter, "values that waited for another caller's load")                                    \
  X(renewals, kCounter, "of the loads, how many were early")                                             \
  X(discarded, kCounter, "loads that were not kept: invalidated meanwhile, or memcached did not answer") \
  X(unreachable, kCounter, "tags that memcached did not give")                                           \
  X(served_on_error, kCounter, "values past their time-out, because the provider threw")                 \
  X(invalidations, kCounter, "keys invalidated by this cache")                                           \
  X(evictions, kCounter, "values that made room for others")                                             \
  X(entries, kGauge, "values in the cache")                                                              \
  X(bytes, kGauge, "their size, as size_of says")
NDB_STATS_(SharedCacheStats, NDB_SHARED_CACHE_STATS_);

// What a WorkerPool has done since it was made: WorkerPool::stats().
#define NDB_WORKER_POOL_STATS_(X)                                                            \
  X(accepted, kCounter, "requests that were started or queued")                              \
  X(refused, kCounter, "requests that were neither: too many were there, or it was stopped") \
  X(finished, kCounter, "requests that have ended")                                          \
  X(failed, kCounter, "of those, how many ended with an error")                              \
  X(stalls, kCounter, "times that a handler held its thread for longer than stall_warning")  \
  X(running, kGauge, "requests that have a stack, most of them waiting")                     \
  X(queued, kGauge, "requests that have not begun")                                          \
  X(stacks, kGauge, "stacks, in use or pooled, those of tasklets that handlers spawn included")
NDB_STATS_(WorkerPoolStats, NDB_WORKER_POOL_STATS_);

#undef NDB_TIER_COUNTS_
#undef NDB_MEMCACHE_STATS_
#undef NDB_SHARED_CACHE_STATS_
#undef NDB_WORKER_POOL_STATS_
#undef NDB_STATS_FIELD_
#undef NDB_STATS_MEMBER_
#undef NDB_STATS_

// The methods of google.datastore.v1.Datastore that the framework calls.
enum class RpcMethod {
  kLookup,
  kRunQuery,
  kRunAggregationQuery,
  kBeginTransaction,
  kCommit,
  kRollback,
  kAllocateIds,
  kReserveIds,
};
inline constexpr std::size_t kRpcMethods = 8;  // how many there are
std::string_view to_string(RpcMethod method);  // "Lookup"

// The calls of one method that have ended, by the code they ended with. A call with its retries is one.
struct RpcStats {
  static constexpr std::size_t kCodes = 17;     // OK to UNAUTHENTICATED
  std::array<std::uint64_t, kCodes> by_code{};  // by the number of the code
  std::chrono::nanoseconds time{0};             // from the call to its answer, all calls and retries together

  // The calls that ended with this code; all; and those that did not end with OK.
  std::uint64_t ended_with(absl::StatusCode code) const { return by_code.at(static_cast<std::size_t>(code)); }
  std::uint64_t calls() const {
    std::uint64_t all = 0;
    for (const std::uint64_t count : by_code) all += count;
    return all;
  }
  std::uint64_t failed() const { return calls() - ended_with(absl::StatusCode::kOk); }
};

// The RPCs of a client, all threads together, since the client was made: Client::datastore_stats().
struct DatastoreStats {
  std::array<RpcStats, kRpcMethods> by_method{};  // in the order of RpcMethod
  // Those of one method.
  const RpcStats& operator[](RpcMethod method) const { return by_method.at(static_cast<std::size_t>(method)); }
};

}  // namespace ndb
