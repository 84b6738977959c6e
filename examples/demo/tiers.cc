#include "tiers.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "counts.h"
#include "package.h"

namespace demo {
namespace {

constexpr std::size_t kBatch = 100;

enum class Tier { kDatastore, kMemcache, kContext };

// One pass over the keys, and its counts.
struct Pass {
  Tier tier;
  std::size_t calls = 0, found = 0;
  ndb::TierCounts counts{};
  std::vector<std::chrono::nanoseconds> latencies{};  // sorted

  std::uint64_t answered() const {
    if (tier == Tier::kDatastore) return counts.lookup_keys;
    return tier == Tier::kMemcache ? counts.memcache_hits : counts.cache_hits;
  }
  std::chrono::nanoseconds quantile(double q) const {
    return latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
  }
};

Pass read_all(Tier tier, std::span<const ndb::Key> keys, std::size_t batch) {
  Pass pass{.tier = tier};
  pass.latencies.reserve(keys.size() / batch + 1);
  const ndb::TierCounts before = ndb::get_context().counts();
  while (!keys.empty()) {
    const std::span<const ndb::Key> some = keys.first(std::min(batch, keys.size()));
    keys = keys.subspan(some.size());
    const auto start = std::chrono::steady_clock::now();
    if (batch == 1) {
      pass.found += some.front().get<Package>() ? 1U : 0U;
    } else {
      for (const Package& package : ndb::get_multi<Package>(some)) pass.found += package ? 1U : 0U;
    }
    pass.latencies.push_back(std::chrono::steady_clock::now() - start);
    ++pass.calls;
  }
  pass.counts = growth(before, ndb::get_context().counts());
  std::sort(pass.latencies.begin(), pass.latencies.end());
  return pass;
}

// With cold caches, then in a new context, then again in the same context.
std::vector<Pass> read_by_tiers(const ndb::Client& client, std::span<const ndb::Key> keys, std::size_t batch) {
  std::vector<Pass> passes;
  {
    const auto scope = client.context();
    passes.push_back(read_all(Tier::kDatastore, keys, batch));
  }
  const auto scope = client.context();
  passes.push_back(read_all(Tier::kMemcache, keys, batch));
  passes.push_back(read_all(Tier::kContext, keys, batch));
  return passes;
}

void claim(const Pass& pass, std::size_t reads, Claims& claims) {
  const bool cold = pass.tier == Tier::kDatastore;
  const bool warm = pass.tier == Tier::kMemcache;
  claims.claim(pass.found == reads, "every read finds its package");
  claims.claim(pass.answered() == reads, "the tier answers every read");
  claims.claim(pass.counts.lookups == (cold ? pass.calls : 0), "one Lookup for each cold call, none for a warm one");
  claims.claim(pass.counts.memcache_reads == (cold || warm ? pass.calls : 0), "one memcache batch for each call");
  claims.claim(pass.counts.memcache_fills == (cold ? reads : 0), "a cold read fills memcache");
}

std::vector<std::string> row(const Pass& pass, std::size_t reads) {
  static constexpr std::string_view kNames[] = {"  Datastore (cold)", "  memcache (new context)",
                                                "  in-context cache (again)"};
  const double ratio = 100.0 * static_cast<double>(pass.answered()) / static_cast<double>(reads);
  std::string percent = std::to_string(ratio);
  percent.resize(percent.find('.') + 2);
  return {std::string(kNames[static_cast<std::size_t>(pass.tier)]),
          count_text(reads),
          count_text(pass.answered()),
          percent + " %",
          count_text(pass.counts.memcache_reads),
          count_text(pass.counts.lookups),
          duration_text(pass.quantile(0.5)),
          duration_text(pass.quantile(0.99))};
}

}  // namespace

void serve_by_tiers(const ndb::Client& client, std::span<const ndb::Key> singles, std::span<const ndb::Key> batched,
                    Claims& claims) {
  std::vector<std::vector<std::string>> rows = {
      {"calls, and who answers", "reads", "answered", "hits", "memcache", "Lookups", "median", "p99"}};
  for (const std::size_t batch : {std::size_t{1}, kBatch}) {
    const std::span<const ndb::Key> keys = batch == 1 ? singles : batched;
    rows.emplace_back();
    rows.push_back({batch == 1 ? "get" : "get_multi of up to 100"});
    for (const Pass& pass : read_by_tiers(client, keys, batch)) {
      rows.push_back(row(pass, keys.size()));
      claim(pass, keys.size(), claims);
    }
  }
  print_table(rows);
  print_wrapped("memcache and Lookups are round trips; the times are those of a whole call.", 2, Style::kDim);
}

}  // namespace demo
