// The walk through NDB's manual on caching: each step prints a line of C++, runs that line, and shows what the tiers
// did.
#pragma once

#include <ndb/ndb.h>

#include <cstddef>
#include <functional>
#include <string_view>

#include "terminal.h"

namespace demo {

class Tour {
 public:
  explicit Tour(Claims& claims) : claims_(claims) {}

  void chapter(std::string_view title);
  // Begins a step of the walk: its title, and what the manual says about it, in our words.
  void step(std::string_view title, std::string_view manual);
  void note(std::string_view text);  // what happens besides

  // Prints `code`, calls `run`, and prints how the counts of the current context changed. The demo fails if they did
  // not grow by `expected`. See SHOW.
  void show(std::string_view code, const std::function<void()>& run, const ndb::TierCounts& expected);
  // Prints the claim; the demo fails if it does not hold.
  void claim(bool holds, std::string_view what);

 private:
  Claims& claims_;
  std::size_t steps_ = 0;
  bool at_title_ = false;  // nothing has been printed since the chapter's title
};

// Shows the statement exactly as it is compiled: SHOW(tour, kContextHit, package = key.get<Package>());
#define SHOW(tour, expected, ...) (tour).show(#__VA_ARGS__ ";", [&] { __VA_ARGS__; }, expected)

// Expected costs of a statement.
inline constexpr ndb::TierCounts kNothing{};
inline constexpr ndb::TierCounts kContextHit{.cache_hits = 1};
inline constexpr ndb::TierCounts kMemcacheHit{.memcache_reads = 1, .memcache_hits = 1};
inline constexpr ndb::TierCounts kColdRead{.memcache_reads = 1, .memcache_fills = 1, .lookups = 1, .lookup_keys = 1};
inline constexpr ndb::TierCounts kLookup{.lookups = 1, .lookup_keys = 1};
inline constexpr ndb::TierCounts kPut{.memcache_locks = 1, .commits = 1, .mutations = 1};
inline constexpr ndb::TierCounts kPutPastMemcache{.commits = 1, .mutations = 1};
inline constexpr ndb::TierCounts kMemcacheWrite{.memcache_writes = 1};
inline constexpr ndb::TierCounts kQuery{.queries = 1};

}  // namespace demo
